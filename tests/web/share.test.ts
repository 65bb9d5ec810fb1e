import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { browserTest } from "../browser/browser.ts";
import { bundle } from "../../lib/web/page/build.ts";
import { dataHtml } from "../../lib/report/html.ts";
import { checkPage, download, downloadBytes, openPage, runShown } from "./pages.ts";

const QUERY = new URLSearchParams({ prompt: " The capital of France is", pos: " Paris", neg: " Rome", method: "relp" });
const TITLE = "Why ·Paris and not ·Rome?";

browserTest(
  "Parquet is the command line's, a saved report is the report, a copied link asks the same",
  async (browser) => {
    await using opened = await openPage(browser, {}, {}, `#${QUERY}`);
    const { page } = opened;
    await opened.done(TITLE);
    const { command } = JSON.parse(await download(opened, "Download JSON"));
    const columns = (await download(opened, "Download CSV")).split("\n", 1)[0];
    const parquet = await downloadBytes(opened, "Download Parquet");
    assert.deepEqual(parquet, await runShown(command, columns, "parquet"));

    const html = await download(opened, "Save report");
    assert.equal(html, await dataHtml(JSON.parse(await download(opened, "Download JSON"))));
    const file = await Deno.makeTempFile({ suffix: ".html" });
    await Deno.writeTextFile(file, html);
    const saved = await browser.open();
    await saved.page.goto(pathToFileURL(file).href);
    await saved.page.getByRole("heading", { level: 1, name: TITLE, exact: true }).waitFor();
    await saved.page.locator("button.feature").first().click();
    await saved.page.getByRole("dialog").getByText("Raises", { exact: true }).waitFor();
    assert.deepEqual([saved.errors, saved.requests], [[], []]);
    await Deno.remove(file);

    await opened.context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy link" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    const link = await page.evaluate("navigator.clipboard.readText()") as string;
    await page.goto("about:blank");
    await page.goto(link);
    await opened.done(TITLE);
    assert.equal(await page.locator("#method").inputValue(), "relp");
    await checkPage(opened);
  },
);

for (const [name, options] of [["on a desk", {}], ["at phone width", { width: 360, height: 740 }]] as const) {
  browserTest(`an embedded result is the result alone, ${name}`, async (browser) => {
    await using opened = await openPage(browser, options, {}, `?embed=true&${QUERY}`);
    const { page } = opened;
    await page.getByRole("heading", { level: 1, name: TITLE, exact: true }).waitFor();
    await page.locator("#status", { hasText: /^Done/ }).waitFor({ state: "attached" });
    for (const hidden of ["#prompt", "#run", "#status", ".page-top", "#copy-link", "#history"]) {
      assert.equal(await page.locator(hidden).isVisible(), false, hidden);
    }
    await page.locator("#view .column").last().click();
    await page.getByText("Showing position 5").waitFor();
    await checkPage(opened);
    const [whole] = await Promise.all([
      page.waitForEvent("popup"),
      page.getByRole("link", { name: "Ask more about this" }).click(),
    ]);
    await whole.getByRole("heading", { level: 1, name: TITLE, exact: true }).waitFor();
    assert.ok(await whole.getByLabel("Prompt", { exact: true }).isVisible());
  });
}

browserTest(
  "an embedded question that cannot be answered says why, and one that costs a download asks first",
  async (browser) => {
    await using wrong = await openPage(browser, {}, {}, "?embed=true&prompt=+a&pos=+golfing&neg=+b");
    await wrong.page.getByRole("alert").filter({ hasText: /" golfing" is \d tokens/ }).waitFor();
    await using large = await openPage(browser, {}, {}, "?embed=true&prompt=+a&model=gpt2");
    await large.page.getByText("Press Explain to run this.").waitFor();
    assert.ok(await large.page.getByRole("button", { name: "Explain" }).isVisible());
    assert.equal(await large.page.getByLabel("Prompt", { exact: true }).isVisible(), false);
  },
);

browserTest("the element asks in a frame, and is as high as its result", async (browser) => {
  const { page, context, errors } = await browser.open();
  const script = await bundle(new URL("../../lib/web/page/share/element.ts", import.meta.url), "iife");
  const files: Record<string, readonly [type: string, text: string]> = {
    "/paper.html": [
      "text/html",
      `<!DOCTYPE html><script src="/site/element.js"></script>
       <sae-attribution id="a" prompt=" The capital of France is" pos=" Paris" method="relp"></sae-attribution>
       <sae-attribution link="http://site.test/site/#prompt=+a&amp;pos=+b&amp;pos-id=3"></sae-attribution>`,
    ],
    "/site/element.js": ["text/javascript", script],
    "/site/": [
      "text/html",
      `<!DOCTYPE html><script>parent.postMessage({ type: "sae-attribution height", height: 321 }, "*")</script>`,
    ],
  };
  await context.route("http://site.test/**", async (route) => {
    const [contentType, body] = files[new URL(route.request().url()).pathname];
    await route.fulfill({ contentType, body });
  });
  await page.goto("http://site.test/paper.html");
  await page.waitForFunction(
    "[...document.querySelectorAll('iframe')].every((frame) => frame.style.height === '321px')",
  );
  const frames = await page.evaluate("[...document.querySelectorAll('iframe')].map(({ src }) => src)");
  assert.deepEqual(frames, [
    "http://site.test/site/?embed=true&prompt=+The+capital+of+France+is&pos=+Paris&method=relp",
    "http://site.test/site/?embed=true&prompt=+a&pos=+b&pos-id=3",
  ]);
  assert.deepEqual(errors, []);
});
