/** An answer token by token in a report: its data, and its view in a real browser. */
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import type { Page } from "../browser/deps.ts";
import {
  axeViolations,
  browserTest,
  overflows,
  type PageOptions,
  type TestBrowser,
  type Watched,
} from "../browser/browser.ts";
import { runCli } from "../cli/run_cli.ts";
import { dataHtml } from "../../lib/report/html.ts";
import type { ReportData } from "../../lib/report/report_data.ts";
import { calculateAnswerAttribution, calculateFeatureAttribution, loadModel, loadSae, targetText } from "../../mod.ts";
import { answerTotal } from "../../lib/attribution/answer/answer_total.ts";
import { answerData, HOSTILE, hostileData } from "./reports.ts";

async function openAnswer(browser: TestBrowser, data: ReportData, options?: PageOptions): Promise<Watched> {
  const file = await Deno.makeTempFile({ suffix: ".html" });
  await Deno.writeTextFile(file, await dataHtml(data));
  const watched = await browser.open(options);
  await watched.page.goto(pathToFileURL(file).href);
  await watched.page.waitForSelector(".matrix");
  await Deno.remove(file);
  return watched;
}

async function assertSound(watched: Watched, name: string): Promise<void> {
  assert.deepEqual([watched.errors, watched.requests], [[], []], name);
  assert.deepEqual(await axeViolations(watched), [], name);
  assert.equal(await overflows(watched), false, `${name}: wider than its window`);
}

const texts = (page: Page, selector: string): Promise<string[]> => page.locator(selector).allInnerTexts();

Deno.test("an answer's tokens together are the continuation's log-probability, and each is there with its own rows", async () => {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const options = { saes: [sae], directEffect: true };
  const [prompt, text] = [" Tiger Woods plays the sport", " of golf. Roger Federer plays"];
  const answer = await calculateAnswerAttribution(model, prompt, text, options);
  const total = await answerTotal(answer);
  const whole = await calculateFeatureAttribution(model, prompt, targetText(text), options);
  assert.ok(Math.abs(total.metric - whole.metric) <= 1e-5 * Math.abs(whole.metric));
  const [got, want] = [total, whole].map((result) =>
    new Map(result.rows(sae.hookOut).map((row) => [`${row.position} ${row.feature}`, row]))
  );
  const largest = Math.max(...[...want.values()].map(({ attribution }) => Math.abs(attribution)));
  for (const key of new Set([...got.keys(), ...want.keys()])) {
    const [a, b] = [got.get(key), want.get(key)];
    assert.ok(Math.abs((a?.attribution ?? 0) - (b?.attribution ?? 0)) <= 1e-6 * largest, key);
    assert.ok(Math.abs((a?.directEffect ?? 0) - (b?.directEffect ?? 0)) <= 1e-6 * largest, key);
  }
  const mean = await calculateAnswerAttribution(model, prompt, text, { saes: [sae], baseline: "mean" });
  await assert.rejects(answerTotal(mean), { message: /^The mean over the text so far is another for each token/ });
});

Deno.test("an answer's data: totals, each token's part, what recurs; finite and small", async () => {
  const { answer, tokens, saes, continuation, metric } = await answerData();
  assert.deepEqual(answer!.targets.map(({ position }) => position), [12, 13, 14, 15, 16, 17]);
  assert.equal(tokens.length, 17, "what comes before the last token");
  assert.deepEqual(continuation.map(({ rank }) => rank), answer!.targets.map(({ rank }) => rank));
  const sum = answer!.targets.reduce((total, target) => total + target.metric.value!, 0);
  assert.ok(Math.abs(sum - metric.value!) < 1e-5);
  for (const [i, sae] of saes.entries()) {
    for (const [position, whole] of sae.decomposition.features.entries()) {
      const parts = answer!.targets.map((target) => target.saes[i].decomposition.features[position] ?? 0);
      assert.ok(Math.abs(parts.reduce((a, b) => a + b, 0) - whole) < 1e-5, `${sae.hook} ${position}`);
    }
    for (const { targets } of answer!.recurring[i]) assert.ok(targets.length > 1);
  }
  for (const { position, saes } of answer!.targets) {
    for (const { rows } of saes) assert.ok(rows.position.every((at) => at < position), "nothing later speaks");
  }
});

Deno.test("report: an answer from the command line; a mean cannot be added up", async () => {
  const file = await Deno.makeTempFile({ suffix: ".html" });
  const args = [
    "report",
    " Tiger Woods plays the sport",
    "--answer-text",
    " of golf",
    "--threads",
    "1",
    "--output",
    file,
  ];
  const { code, stderr } = await runCli([...args, "--quiet"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const html = await Deno.readTextFile(file);
  await Deno.remove(file);
  const data: ReportData = JSON.parse(/<script type="application\/json" id="data">(.*)<\/script>/.exec(html)![1]);
  assert.deepEqual(data.answer!.targets.map(({ text }) => text), [" of", " golf"]);
  assert.match(data.command!, /--answer-text ' of golf'/);
  const mean = await runCli([...args, "--baseline", "mean"]);
  assert.equal(mean.code, 2);
  assert.match(
    mean.stderr,
    /^error: --baseline would be another mean for each token of an answer, and they are added up/,
  );
});

browserTest(
  "an answer by mouse: a token, a cell of the matrix, its scale, what recurs, special tokens",
  async (browser) => {
    const watched = await openAnswer(browser, await answerData());
    const { page } = watched;
    await assertSound(watched, "at first");
    assert.deepEqual(await texts(page, "h1"), ["Why “the sport of tennis. Babe”?"]);
    assert.match((await texts(page, ".scope"))[0], /^Showing all 6 tokens together: log-probability of the answer/);
    const shown = page.locator("section", {
      has: page.getByRole("heading", { name: "Prompt, and the answer so far" }),
    });
    assert.equal(await shown.locator(".token").count(), 17);
    await page.getByRole("button", { name: /^Answer, position 15, token ·tennis/ }).click();
    await assertSound(watched, "with a token");
    assert.match((await texts(page, ".scope"))[0], /^Showing token 15 ·tennis: log-probability of ·tennis = −0\.0\d+/);
    assert.equal(await shown.locator(".token").count(), 15, "what came before it");
    assert.equal(await page.locator(".columns .column").count(), 15);
    assert.equal(await page.locator(".matrix tr.chosen").count(), 1);
    await page.locator(".matrix tbody tr").nth(1).locator("td").nth(10).click();
    assert.match((await texts(page, ".scope"))[0], /^Showing token 13 ·sport/);
    assert.match((await texts(page, ".scope")).join(" "), /Showing position 10/);
    assert.deepEqual(new Set(await texts(page, ".rows tbody th sub")), new Set(["10"]));
    assert.equal(
      await page.locator(".matrix tbody tr").first().locator("td.after").count(),
      5,
      "it sees nothing later",
    );
    await page.getByRole("button", { name: "A scale of colours for each row" }).click();
    const strengths: string[] = await page.evaluate(
      "[...document.querySelectorAll('.matrix tbody tr')].map((row) => " +
        "String(Math.max(...[...row.cells].map((cell) => Number(cell.style.getPropertyValue('--strength'))))))",
    );
    assert.deepEqual(new Set(strengths), new Set(["1"]), "each row has a cell of full colour");
    await page.getByRole("button", { name: "Show the whole answer" }).click();
    assert.equal(await shown.locator(".token").count(), 17);
    await page.getByRole("button", { name: "blocks.2.hook_mlp_out" }).click();
    const bos = shown.locator(".token").first();
    assert.match(await bos.getAttribute("class") ?? "", /plain/, "special tokens are left out of the colours");
    const isExcluded = (await bos.innerText()).includes("left out");
    if (!isExcluded) {
      await page.getByRole("button", { name: "Colour special tokens too" }).click();
      assert.doesNotMatch(await bos.getAttribute("class") ?? "", /plain/);
    }
    const recurring = page.locator("section", { has: page.getByRole("heading", { name: "Features that recur" }) });
    await recurring.locator(".feature").first().click();
    await assertSound(watched, "with a card");
    assert.equal(await page.locator("dialog[open]").count(), 1);
  },
);

browserTest("an answer by keyboard alone", async (browser) => {
  const { page } = await openAnswer(browser, await answerData());
  const focused = (): Promise<string> =>
    page.evaluate(
      "(document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText).replaceAll(/\\s+/g, ' ')",
    );
  const tabTo = async (name: RegExp): Promise<void> => {
    for (let i = 0; i < 80; i++) {
      await page.keyboard.press("Tab");
      if (name.test(await focused())) return;
    }
    assert.fail(`no way to ${name} with Tab`);
  };
  await tabTo(/^Answer, position 15, token ·tennis/);
  await page.keyboard.press("Enter");
  assert.match((await texts(page, ".scope"))[0], /^Showing token 15 ·tennis/);
  assert.match(await focused(), /^Answer, position 15/, "focus stays where it was");
  await tabTo(/^Look at ·of at position 14/);
  await page.keyboard.press("Space");
  assert.match((await texts(page, ".scope"))[0], /^Showing token 14 ·of/);
  assert.match(await focused(), /^Look at ·of at position 14/);
  await page.keyboard.press("Space");
  assert.match((await texts(page, ".scope"))[0], /^Showing all 6 tokens together/);
});

browserTest("an answer at phone width and in the dark, and with hostile texts", async (browser, t) => {
  const data = await answerData(3);
  for (const options of [{ width: 360, height: 780 }, { dark: true }, { width: 360, height: 780, dark: true }]) {
    await t.step(JSON.stringify(options), async () => {
      const watched = await openAnswer(browser, data, options);
      await assertSound(watched, "at first");
      await watched.page.getByRole("button", { name: /^Answer, position 16/ }).click();
      await assertSound(watched, "with a token");
    });
  }
  await t.step("markup stays text", async () => {
    const { page } = await openAnswer(browser, hostileData(data));
    await page.locator(".answer-token").nth(2).click();
    assert.equal(await page.evaluate("globalThis.pwned"), undefined);
    assert.equal(await page.locator("img, #result b").count(), 0);
    assert.ok((await texts(page, ".scope"))[0].includes("<img src="), HOSTILE);
  });
});
