import assert from "node:assert/strict";
import { browserTest } from "../browser/browser.ts";
import { makeChatModel } from "../request/asked.ts";
import { PROMPT, SAE } from "./ask.ts";
import { checkFiles, checkPage, download, openPage, ROOT, runShown } from "./pages.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

browserTest(
  "the whole flow: prompt, chips, answers, bars, feature card, files, address, history",
  async (browser, t) => {
    await using opened = await openPage(browser);
    const { page } = opened;
    await t.step("it begins with an example", () => opened.done("Why ·golf and not ·tennis?"));
    await t.step("a prompt is answered while it is typed", async () => {
      await page.getByLabel("Prompt", { exact: true }).fill(" The capital of France is");
      await opened.done("Why ·Paris and not ·Brussels?");
    });
    await t.step("a chip chooses the position, and once more the last", async () => {
      await page.locator("#tokens").getByRole("button", { name: /^Position 2, token ·capital/ }).click();
      await page.getByRole("heading", { name: "Next token after ·capital" }).waitFor();
      await page.locator("#status", { hasText: /^Done/ }).waitFor();
      assert.match(page.url(), /position=2/);
      await page.locator("#tokens").getByRole("button", { name: /^Position 5, token ·is/ }).click();
      await opened.done("Why ·Paris and not ·Brussels?");
    });
    await t.step("the bars choose the answers", async () => {
      await page.getByRole("button", { name: "·Rome as the negative answer" }).click();
      await opened.done("Why ·Paris and not ·Rome?");
      await page.getByRole("button", { name: "·Madrid as the negative answer" }).click({ modifiers: ["Shift"] });
      await opened.done("Why ·Paris and not ·Rome, ·Madrid?");
      await page.getByRole("button", { name: "Remove the negative answer ·Madrid" }).click();
      await opened.done("Why ·Paris and not ·Rome?");
    });
    await t.step("a token that is not listed", async () => {
      await page.getByLabel("Another token").fill(" golf");
      await page.getByRole("button", { name: "− against" }).click();
      await opened.done("Why ·Paris and not ·golf?");
      await page.getByLabel("Another token").fill(" golfing");
      await page.getByRole("button", { name: "+ for" }).click();
      await page.getByRole("alert").filter({ hasText: /" golfing" is \d tokens/ }).waitFor();
      await page.getByRole("button", { name: "·Rome as the negative answer" }).click();
      await opened.done("Why ·Paris and not ·Rome?");
    });
    await t.step("a bar shows one position", async () => {
      assert.equal(await page.locator("#view .column").count(), 6);
      await page.locator("#view .column").last().click();
      await page.getByText("Showing position 5").waitFor();
      await page.getByRole("button", { name: "Show all", exact: true }).click();
    });
    await t.step("a feature has a card", async () => {
      await page.locator("#view button.feature").first().click();
      const card = page.getByRole("dialog");
      await card.getByRole("heading", { name: "Tokens that it raises and lowers" }).waitFor();
      await card.getByText("Raises", { exact: true }).waitFor();
      await checkPage(opened);
      await card.getByRole("button", { name: "Close" }).click();
    });
    await t.step("the files are the command line's", async () => {
      const csv = await download(opened, "Download CSV");
      const report = JSON.parse(await download(opened, "Download JSON"));
      assert.match(report.command, /--pos-token ' Paris' --neg-token ' Rome'$/);
      const [header] = csv.split("\n", 1);
      assert.equal(csv, text(await runShown(report.command, header)));
      assert.ok(csv.split("\n").length > 20);
    });
    await t.step("the address holds it all", async () => {
      await page.reload();
      await opened.done("Why ·Paris and not ·Rome?");
      assert.equal(await page.getByLabel("Prompt", { exact: true }).inputValue(), " The capital of France is");
    });
    await t.step("history", async () => {
      await page.getByText("History", { exact: true }).click();
      await page.getByRole("link", { name: "Why ·golf and not ·tennis?" }).click();
      await opened.done("Why ·golf and not ·tennis?");
      assert.equal(await page.getByLabel("Prompt", { exact: true }).inputValue(), PROMPT);
      await page.getByRole("button", { name: "Forget all" }).click();
      assert.equal(await page.locator("#history").isVisible(), false);
    });
    await t.step("several SAEs", async () => {
      await page.getByLabel("SAEs", { exact: true }).fill("tiny-facts/blocks.2.hook_resid_pre");
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: "blocks.2.hook_resid_pre", exact: true }).waitFor();
      await page.locator("#status", { hasText: /^Done/ }).waitFor();
      const csv = await download(opened, "Download CSV");
      const { command } = JSON.parse(await download(opened, "Download JSON"));
      assert.match(csv, /^hook,position,/);
      assert.equal(csv, text(await runShown(command, csv.split("\n", 1)[0])));
    });
    await checkPage(opened);
  },
);

browserTest("by keyboard alone", async (browser) => {
  await using opened = await openPage(browser);
  const { page } = opened;
  await opened.done("Why ·golf and not ·tennis?");
  /** Goes on with Tab until something of this name has the focus. */
  const tabTo = async (name: RegExp): Promise<void> => {
    for (let presses = 0; presses < 120; presses++) {
      const focused = await page.evaluate(() => {
        const { activeElement: at } = (globalThis as unknown as { document: { activeElement: Focused } }).document;
        return at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
      });
      if (name.test(focused)) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`Tab does not reach ${name}`);
  };
  await tabTo(/^Prompt$/);
  await page.keyboard.press("Control+A");
  await page.keyboard.type(" The capital of France is");
  await page.keyboard.press("Control+Enter");
  await opened.done("Why ·Paris and not ·Brussels?");
  await tabTo(/^Position 5, token ·is/);
  await tabTo(/^·Rome as the negative answer$/);
  await page.keyboard.press("Space");
  await opened.done("Why ·Paris and not ·Rome?");
  await tabTo(/^·Madrid as the negative answer$/); // the focus is where it was
  await tabTo(/^Position 1, token ·The, /);
  await page.keyboard.press("Enter");
  await page.getByText("Showing position 1").waitFor();
  await tabTo(/^Show all$/);
  await page.keyboard.press("Enter");
  await tabTo(/^[+−]\d.*#\d+/);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await checkPage(opened);
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").isVisible(), false);
  await tabTo(/^Download CSV$/);
  const [file] = await Promise.all([page.waitForEvent("download"), page.keyboard.press("Enter")]);
  assert.match(await Deno.readTextFile(await file.path()), /^position,token,feature/);
  await checkPage(opened);
});

/** The parts of an element that the keyboard test reads. */
interface Focused {
  readonly textContent: string;
  readonly labels?: readonly { readonly textContent: string }[];
  getAttribute(name: string): string | null;
}

for (
  const [name, options] of [["at phone width", { width: 360, height: 740 }], ["in the dark", { dark: true }]] as const
) {
  browserTest(`the flow ${name}`, async (browser) => {
    await using opened = await openPage(browser, options);
    const { page } = opened;
    await opened.done("Why ·golf and not ·tennis?");
    await checkPage(opened);
    await page.getByLabel("Prompt", { exact: true }).fill(" The capital of France is");
    await opened.done("Why ·Paris and not ·Brussels?");
    await page.getByRole("button", { name: "·Rome as the negative answer" }).click();
    await opened.done("Why ·Paris and not ·Rome?");
    await page.getByRole("button", { name: "Explain" }).click();
    await opened.done("Why ·Paris and not ·Rome?");
    await page.getByText("More settings").click();
    await page.getByText("History", { exact: true }).click();
    await checkPage(opened);
    await page.locator("#view button.feature").first().click();
    await page.getByRole("dialog").getByText("Raises", { exact: true }).waitFor();
    await checkPage(opened);
    await page.getByRole("button", { name: "Close" }).click();
    assert.match(await download(opened, "Download CSV"), /^position,token,feature/);
  });
}

/** A copy of a bundled SAE with other metadata and labels. */
async function makeSae(directory: string, label: string): Promise<void> {
  const from = `${ROOT}models/bundled/tiny-facts-saes/blocks.3.hook_resid_pre`;
  await Deno.copyFile(`${from}/sae_weights.safetensors`, `${directory}/sae_weights.safetensors`);
  const config = JSON.parse(await Deno.readTextFile(`${from}/cfg.json`));
  config.metadata.neuronpedia_id = "tiny/3-<b>test";
  await Deno.writeTextFile(`${directory}/cfg.json`, JSON.stringify(config));
  const features = Object.fromEntries(Array.from({ length: 1024 }, (_, i) => [i, { label }]));
  await Deno.writeTextFile(`${directory}/labels.json`, JSON.stringify({ features }));
}

browserTest(
  "HTML in prompts, labels and addresses is text; Neuronpedia is asked only when its part is opened",
  async (browser) => {
    const html = `<img src=x onerror="document.title=1">`;
    const directory = await Deno.makeTempDir();
    try {
      await makeSae(directory, html);
      const offered = { model: "tiny-facts", saes: [directory], hub: true };
      const hash = `#${new URLSearchParams({
        prompt: ` ${html}<b> sport of`,
        pos: " golf",
        neg: " tennis",
      })}`;
      await using opened = await openPage(browser, {}, { offered }, hash);
      const { page } = opened;
      await opened.done("Why ·golf and not ·tennis?");
      await page.locator("#view button.feature").first().click();
      await page.getByRole("dialog").getByRole("heading", { name: "<img src=x" }).waitFor();
      assert.equal(await page.locator("img, body script, b").count(), 0);
      assert.match(await page.title(), /^Why ·golf/);
      await checkPage(opened);
      await page.getByRole("dialog").getByText("Neuronpedia dashboard").click();
      for (let tries = 0; tries < 100 && opened.elsewhere().length === 0; tries++) await page.waitForTimeout(50);
      assert.match(opened.elsewhere()[0], /^https:\/\/neuronpedia\.org\/tiny\/3-%3Cb%3Etest\/\d+\?embed=true/);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

browserTest("a link does not start what costs a download, and a closed page leaves nothing behind", async (browser) => {
  await using opened = await openPage(
    browser,
    {},
    {},
    "#prompt=+a&model=gpt2&sae=gpt2-small-res-jb/blocks.10.hook_resid_pre",
  );
  await opened.page.getByText("Press Explain to run this.").waitFor();
  await opened.page.goto(`http://${opened.host}/#prompt=+b&sae=gpt2-small-res-jb/blocks.10.hook_resid_pre`);
  await opened.page.locator("#saes", { hasText: "blocks.10" }).waitFor();
  await opened.page.getByText("Press Explain to run this.").waitFor();
  assert.ok(opened.requests.every((url) => !/\/api\/(predict|attribute)/.test(url)));
  await Promise.all([
    opened.page.waitForRequest(/\/api\/predict/),
    opened.page.goto(`http://${opened.host}/#prompt=+a`),
  ]);
  await opened.page.close();
  for (let tries = 0;; tries++) {
    const { busy, waiting } = await (await fetch(`http://${opened.host}/api/status`)).json();
    if (!busy && waiting === 0) break;
    assert.ok(tries < 100, "the server is still busy");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
});

browserTest("a model and an SAE of one's own, named when the server is started", async (browser) => {
  const offered = { model: `${ROOT}tests/data/models/gpt2`, saes: [`${ROOT}tests/data/saes/g-std-pre2`], hub: false };
  await using opened = await openPage(browser, {}, { offered });
  const { page } = opened;
  await page.locator("#status", { hasText: /^Done/ }).waitFor();
  await page.getByRole("button", { name: / as the negative answer/ }).nth(4).click();
  await page.getByRole("button", { name: "Explain" }).click(); // this model may be too slow to answer by itself
  await page.locator("main:not([data-stale])").waitFor();
  await page.locator("#status", { hasText: /^Done/ }).waitFor();
  const csv = await download(opened, "Download CSV");
  const { command } = JSON.parse(await download(opened, "Download JSON"));
  assert.equal(csv, text(await runShown(command, csv.split("\n", 1)[0])));
  await checkPage(opened);
});

for (const [width, options] of [["on a desk", {}], ["at phone width", { width: 360, height: 740 }]] as const) {
  browserTest(`method, baseline, direct effect and a continuation ${width}`, async (browser) => {
    await using opened = await openPage(browser, options);
    const { page } = opened;
    await opened.done("Why ·golf and not ·tennis?");
    assert.equal(await page.getByLabel("Method: activations times").isVisible(), false);
    await page.getByText("More settings").click();
    for (const label of ["Continuation", "Prompt to compare with", "System message", "Beginning of the answer"]) {
      assert.equal(await page.getByLabel(label).isVisible(), false, label);
      assert.equal(await page.locator("label", { hasText: label }).isVisible(), false, `the label ${label}`);
    }
    await page.getByLabel("Method: activations times").selectOption("relp");
    await opened.answered();
    await checkFiles(opened, "--method relp");
    await page.getByLabel("Baseline: activations compared with").selectOption("prompt");
    await page.getByText("Type the prompt to compare with.").waitFor();
    await page.getByLabel("Prompt to compare with").fill(" Babe Ruth plays the sport of it");
    await page.getByRole("alert").filter({ hasText: /tokens, the baseline/ }).waitFor();
    await page.getByLabel("Prompt to compare with").fill(" Babe Ruth plays the sport of");
    await opened.answered();
    await page.getByLabel("Direct effect").selectOption("yes");
    await opened.answered();
    const header = await checkFiles(opened, "--method relp", "--baseline 'prompt: Babe Ruth", "--direct-effect");
    assert.match(header, /baseline,gradient,attribution,direct_effect/);
    await page.getByLabel("What is explained").selectOption("target-text");
    await page.getByText("Type the continuation to explain.").waitFor();
    await page.getByLabel("Continuation").fill(" golf.");
    await opened.answered();
    await checkFiles(opened, "--target-text ' golf.'");
    await checkPage(opened);
    await page.reload();
    await opened.answered();
    assert.equal(await page.getByLabel("Continuation").inputValue(), " golf.");
    assert.equal(await page.getByLabel("Method: activations times").inputValue(), "relp");
    await page.getByLabel("What is explained").selectOption("kl");
    await opened.answered();
    await checkFiles(opened, "--metric kl", "--no-error-term");
    assert.equal(await page.getByLabel("Continuation").isVisible(), false);
    await checkPage(opened);
  });
}

browserTest("a chat, with a system message and the beginning of the answer", async (browser) => {
  const directory = await Deno.makeTempDir();
  try {
    const offered = { model: await makeChatModel(directory), saes: [], hub: false };
    const hash = `#${new URLSearchParams({ prompt: "Which sport?", sae: SAE, pos: " golf", neg: " tennis" })}`;
    await using opened = await openPage(browser, {}, { offered }, hash);
    const { page } = opened;
    await opened.answered();
    await page.getByText("More settings").click();
    await page.getByLabel("The prompt is").selectOption("yes");
    await page.getByLabel("System message").fill("Be brief.");
    await page.getByLabel("Beginning of the answer").fill(" It is");
    await page.getByRole("button", { name: "Explain" }).click();
    await opened.answered();
    await page.getByRole("heading", { name: "Next token after ·is" }).waitFor();
    const tokens = await page.locator("#tokens button").allTextContents();
    assert.ok(tokens.join("").includes("Be·brief."), tokens.join("|"));
    await checkFiles(opened, "--chat", "--system 'Be brief.'", "--assistant-prefix ' It is'");
    assert.match(page.url(), /chat=yes&system=Be\+brief\.&assistant-prefix=\+It\+is/);
    await checkPage(opened);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

browserTest("a cross-layer transcoder is one name and several SAEs", async (browser) => {
  const data = `${ROOT}tests/data`;
  const offered = { model: `${data}/models/gpt2`, saes: [`${data}/cross_layer/clt-relu`], hub: false };
  await using opened = await openPage(browser, {}, { offered }, "#prompt=+Tiger+Woods+plays&pos=+golf&neg=+tennis");
  await opened.answered();
  assert.equal(await opened.page.locator("#saes li").count(), 1);
  const header = await checkFiles(opened, "clt-relu");
  assert.match(header, /^hook,/);
  await checkPage(opened);
});
