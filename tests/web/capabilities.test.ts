import { Buffer } from "node:buffer";
import assert from "node:assert/strict";
import { browserTest, type PageOptions, type TestBrowser } from "../browser/browser.ts";
import { bundle } from "../../lib/web/page/build.ts";
import { checkPage, type Opened, openPage } from "./pages.ts";

/** The page with an engine of ours instead of the server's. */
async function openPriced(browser: TestBrowser, address: string, options: PageOptions = {}): Promise<Opened> {
  const opened = await openPage(browser, options, {}, "icon.svg");
  const body = await bundle(new URL("./priced_page.ts", import.meta.url));
  await opened.context.route("**/page.js", (route) => route.fulfill({ contentType: "text/javascript", body }));
  await opened.page.goto(`http://${opened.host}/${address}`);
  return opened;
}

/** What the engine was asked, without prompts. */
async function jobsOf({ page }: Opened): Promise<readonly Record<string, unknown>[]> {
  const jobs = await page.evaluate("asked.jobs") as { job: string; body: Record<string, unknown> }[];
  return jobs.map(({ job, body: { cards, predictions } }) => ({ job, cards, predictions }));
}

const QUESTION = `#${new URLSearchParams({ prompt: " The capital of France is", pos: " Paris", neg: " Rome" })}`;

for (const [name, options] of [["on a desk", {}], ["at phone width, dark", { width: 360, dark: true }]] as const) {
  browserTest(`a download is told before, followed, and can be cancelled; ${name}`, async (browser) => {
    await using opened = await openPriced(browser, QUESTION, options);
    const { page } = opened;
    await page.getByText("Downloads 416 MB.").waitFor();
    await page.getByRole("button", { name: "tiny-facts download" }).waitFor();
    assert.deepEqual(await jobsOf(opened), [], "a link downloads nothing");
    await page.getByRole("button", { name: "Explain" }).click();
    await page.locator("#status", {
      hasText: "Downloading model.safetensors: 104 MB of 416 MB, 52 MB/s, 6 s left …",
    }).waitFor();
    assert.equal(await page.getByLabel("Download", { exact: true }).getAttribute("value"), "104000000");
    await checkPage(opened);
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.locator("#status", { hasText: "Cancelled." }).waitFor();
    assert.equal(await page.getByLabel("Download", { exact: true }).isVisible(), false);
    assert.equal(await page.getByLabel("Prompt", { exact: true }).inputValue(), " The capital of France is");
  });
}

browserTest(
  "the next-token table is there at a click, with its price; what is stored is said and emptied",
  async (browser) => {
    await using opened = await openPriced(browser, QUESTION);
    const { page } = opened;
    await page.getByRole("button", { name: "Explain" }).click();
    await page.locator("#status", { hasText: /^Downloading model\.safetensors: 104 MB/ }).waitFor();
    await page.evaluate("asked.goOn()");
    await opened.done("Why ·Paris and not ·Rome?");
    assert.deepEqual(await jobsOf(opened), [{ job: "attribute", cards: 0, predictions: 0 }]);
    assert.equal(await page.locator("#predictions").isVisible(), false);
    await page.getByText("Everything that it reads is here: no download.").first().waitFor();
    await page.getByText("Stored on this machine: 416 MB.").waitFor();
    await page.getByLabel("Another token").fill(" Berlin");
    await page.getByRole("button", { name: "− against" }).click();
    await page.getByRole("button", { name: "Explain" }).click(); // it may be too slow to answer by itself
    await opened.done("Why ·Paris and not ·Berlin?");
    await page.locator("#tokens").getByRole("button", { name: /^Position 5, token ·is/ }).waitFor();
    await checkPage(opened);
    await page.getByRole("button", { name: "Show the most probable next tokens" }).click();
    await page.getByRole("button", { name: "·Rome as the negative answer" }).click();
    await opened.done("Why ·Paris and not ·Rome?");
    assert.equal(await page.getByRole("button", { name: "Show the most probable next tokens" }).isVisible(), false);
    assert.deepEqual((await jobsOf(opened)).at(-1), { job: "attribute", cards: 150, predictions: undefined });
    await page.locator("#view button.feature").first().click();
    await page.getByRole("dialog").getByText("Raises", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await page.getByRole("button", { name: "Empty" }).click();
    await page.locator("#storage").waitFor({ state: "hidden" });
    await page.locator("#price", { hasText: "Downloads 416 MB." }).waitFor();
    await checkPage(opened);
  },
);

browserTest("files that are chosen or dropped become the model and the SAE", async (browser) => {
  await using opened = await openPriced(browser, QUESTION);
  const { page } = opened;
  const text = { mimeType: "text/plain", buffer: Buffer.from("not a model") };
  await page.getByLabel("files", { exact: true }).setInputFiles({ name: "notes.txt", ...text });
  const said = "Opened tiny-facts, tiny-facts/blocks.2.hook_resid_pre. notes.txt is not a model.";
  await page.getByText(said).waitFor();
  await page.locator("#saes", { hasText: "blocks.2.hook_resid_pre" }).waitFor();
  await page.getByRole("button", { name: "Remove tiny-facts/blocks.2.hook_resid_pre" }).click();
  await page.evaluate(`{
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File(["not a model"], "dropped.txt"));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
  }`);
  await page.getByText("dropped.txt is not a model.").waitFor();
  await page.locator("#saes", { hasText: "blocks.2.hook_resid_pre" }).waitFor();
  await checkPage(opened);
});

browserTest("what an engine cannot is not on the page", async (browser) => {
  await using opened = await openPage(browser);
  const { page } = opened;
  await opened.done("Why ·golf and not ·tennis?");
  for (const id of ["price", "files", "storage", "table-panel", "progress"]) {
    assert.equal(await page.locator(`#${id}`).isVisible(), false, id);
  }
  await page.getByRole("link", { name: "Skip to the result" }).focus();
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate("document.activeElement.id"), "result");
  await opened.done("Why ·golf and not ·tennis?");
  await page.getByRole("button", { name: "gpt2 download" }).click();
  await page.getByText("Press Explain to run this.").waitFor();
  assert.equal(await page.getByLabel("Model", { exact: true }).inputValue(), "gpt2");
  await page.locator("#saes", { hasText: "gpt2-small-res-jb/blocks.10.hook_resid_pre" }).waitFor();
});
