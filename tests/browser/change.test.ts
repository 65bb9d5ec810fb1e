/** Features removed, doubled, set, and sets of them, on the page: the figures are those of the command line. */
import assert from "node:assert/strict";
import { showPercent, showSigned } from "../../lib/report/client/format.ts";
import { runCli } from "../cli/run_cli.ts";
import { PROMPT } from "../web/ask.ts";
import { checkPage, download, openPage, ROOT } from "../web/pages.ts";
import { browserTest } from "./browser.ts";

const QUESTION = "Why ·golf and not ·tennis?";
const ARGS = [PROMPT, "--pos-token", " golf", "--neg-token", " tennis", "--threads", "1", "--quiet"];

type Row = Readonly<Record<string, string | number>>;

async function rowsOf(...args: readonly string[]): Promise<Row[]> {
  const { code, stdout, stderr } = await runCli([...args, "--format", "json"]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

browserTest("a feature removed, doubled and set on its card is what the command line measures", async (browser, t) => {
  await using opened = await openPage(browser);
  const { page } = opened;
  await opened.done(QUESTION);
  const first = page.locator("#view button.feature").first();
  const feature = /(\d+)/.exec(await first.getAttribute("data-key") ?? "")![1];
  await first.click();
  const card = page.getByRole("dialog");
  const after = async (words: RegExp): Promise<string> => {
    await card.locator(".changed", { hasText: words }).waitFor();
    return await card.locator(".effect").innerText();
  };
  await t.step("removed: ablate's effect, steer's next tokens", async () => {
    await card.getByRole("button", { name: "Remove it" }).click();
    const shown = await after(/^Removed/);
    const [row] = await rowsOf("ablate", ...ARGS, "--table", "features", "--features", feature);
    assert.equal(shown, showSigned(-Number(row.effect)));
    const steered = await rowsOf("steer", ...ARGS, "--set", `${feature}@*=0`, "--top", "6");
    const cells = await card.locator(".next-tokens tbody tr").allInnerTexts();
    const expected = steered.slice(0, cells.length).map((row) =>
      [row.probability_before, row.probability_after].map((share) => showPercent(Number(share)))
    );
    assert.equal(cells.length, 6);
    assert.deepEqual(cells.map((text) => text.split("\t").slice(1)), expected);
  });
  await t.step("doubled, by the keyboard", async () => {
    await card.getByRole("button", { name: "Remove it" }).focus();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    const shown = await after(/^Doubled/);
    assert.ok(shown.startsWith("+"), shown);
  });
  await t.step("set to 0 by Enter: the same as removed; to no number: nothing", async () => {
    const input = card.getByLabel("The activation to set it to");
    await input.fill("0");
    await input.press("Enter");
    const shown = await after(/^Set to 0/);
    await card.getByRole("button", { name: "Remove it" }).click();
    assert.equal(await after(/^Removed/), shown);
    await input.fill("");
    await input.press("Enter");
    assert.equal(await after(/^Removed/), shown);
  });
  await t.step("can be used by everybody", () => checkPage(opened));
  await t.step("where it is not active too, where one says so", async () => {
    await card.getByLabel("Where").selectOption("all");
    const input = card.getByLabel("The activation to set it to");
    await input.fill("5.5");
    await input.press("Enter");
    const shown = await after(/^Set to 5\.5/);
    const asked = (how: unknown) => ({
      data: {
        prompt: PROMPT,
        metric: { positive: [" golf"], negative: [" tennis"] },
        interventions: [{ feature: Number(feature), position: how, how: "set", value: 5.5 }],
      },
    });
    const { metric } = await (await page.request.post(`http://${opened.host}/api/steer`, asked("all"))).json();
    assert.equal(shown, showSigned(metric.after - metric.before));
    await card.getByLabel("Where").selectOption("above");
    await input.press("Enter");
    await card.locator(".effect", { hasNotText: shown }).waitFor();
    await card.getByRole("button", { name: "Remove it" }).click();
    await after(/^Removed/);
  });
  await t.step("closed and opened again it still shows what came of it", async () => {
    await card.getByRole("button", { name: "Close" }).click();
    await first.click();
    await after(/^Removed/);
  });
});

browserTest("select's set on the page, kept, dropped from and added to, on a phone", async (browser, t) => {
  await using opened = await openPage(browser, { width: 375, height: 800 });
  const { page } = opened;
  await opened.done(QUESTION);
  const figures = page.locator(".set .figures");
  const members = page.locator(".set-list li");
  await page.getByRole("button", { name: "Find the smallest set" }).click();
  await figures.waitFor();
  const summary = await Deno.makeTempFile();
  await rowsOf("select", ...ARGS, "--summary", summary);
  const [set] = JSON.parse(await Deno.readTextFile(summary));
  await Deno.remove(summary);
  const found = await figures.innerText();
  await t.step("is that of the command line", async () => {
    assert.equal(await members.count(), set.features.length);
    assert.match(found, new RegExp(`^${set.features.length} features? keeps? `));
    assert.ok(found.includes(showPercent(set.kept)) && found.includes(showPercent(set.left)), found);
  });
  const [{ position, feature }] = set.features;
  await t.step("without one of its features it is measured again", async () => {
    await page.getByRole("button", { name: `Drop feature ${feature} at ·of (${position})` }).click();
    await page.locator(".set .figures", { hasText: new RegExp(`^${set.features.length - 1} `) }).waitFor();
    const rest = set.features.slice(1).map((one: Row) => ({ position: one.position, feature: one.feature }));
    const response = await page.request.post(`http://${opened.host}/api/select`, {
      data: { prompt: PROMPT, metric: { positive: [" golf"], negative: [" tennis"] }, set: rest },
    });
    const { kept, left } = await response.json();
    const shown = await figures.innerText();
    assert.ok(shown.includes(showPercent(kept)) && shown.includes(showPercent(left)), shown);
    assert.notEqual(kept, set.kept);
  });
  await t.step("with it again it is what it was", async () => {
    const input = page.getByLabel("Feature to add, or feature@position");
    await input.fill("nothing");
    await input.press("Enter");
    await page.getByText("“nothing” is no feature: give its number").waitFor();
    await input.fill(`${feature}@${position}`);
    await input.press("Enter");
    await page.locator(".set .figures", { hasText: new RegExp(`^${set.features.length} `) }).waitFor();
    assert.equal(await figures.innerText(), found);
  });
  await t.step("the strongest by attribution are another set", async () => {
    await page.getByRole("button", { name: "Measure the 10 strongest" }).click();
    await page.locator(".set .figures", { hasText: /^10 / }).waitFor();
    assert.equal(await members.count(), 10);
  });
  await t.step("can be used by everybody", () => checkPage(opened));
  await t.step("a saved report says the command, and the command does it", async () => {
    const html = await download(opened, "Save report");
    const file = await Deno.makeTempFile({ suffix: ".html" });
    await Deno.writeTextFile(file, html);
    const { page: saved, context, errors } = await browser.open({ width: 375, height: 800 });
    await saved.goto(`file://${file}`);
    assert.equal(await saved.getByRole("button", { name: /Remove it|Find the smallest set/ }).count(), 0);
    await saved.locator("button.feature").first().click();
    const command = await saved.getByRole("dialog").locator("pre").innerText();
    const select = await saved.locator("#result > section pre").innerText();
    await context.close();
    await Deno.remove(file);
    assert.deepEqual(errors, []);
    const [row] = await run(`${command} --threads 1 --quiet --format json`);
    const [steered] = await rowsOf("steer", ...ARGS, "--set", /'(\d+@\*=0)'$/.exec(command)![1]);
    assert.deepEqual(row, steered);
    const selected = await run(`${select} --threads 1 --quiet --format json`);
    assert.deepEqual(selected.map(({ feature }) => feature), set.features.map((one: Row) => one.feature));
  });
});

browserTest("of an answer, a card is about the token that is looked at", async (browser) => {
  const address = "#prompt=+Tiger+Woods+plays+the+sport+of&metric=answer&answer-text=+golf.";
  await using opened = await openPage(browser, {}, {}, address);
  const { page } = opened;
  await opened.answered();
  await page.locator("#view").getByText("Choose a token of the answer first").waitFor();
  await page.locator(".answer-token").nth(1).click();
  await page.locator("#view button.feature").first().click();
  const card = page.getByRole("dialog");
  await card.getByRole("button", { name: "Remove it" }).click();
  const [token, before] = (await card.locator(".next-tokens tbody tr").first().innerText()).split("\t");
  const response = await page.request.post(`http://${opened.host}/api/predict`, { data: { prompt: `${PROMPT} golf` } });
  const { predictions: [first] } = await response.json();
  assert.deepEqual([token, before], [first.token, showPercent(first.probability)]);
  assert.match(await card.locator(".changed").innerText(), /^Removed: log-probability of \. goes from −/);
  await checkPage(opened);
});

/** Runs a command line as the page shows it. */
async function run(command: string): Promise<Row[]> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", command.replace("deno run", '"$DENO" run')],
    cwd: ROOT,
    env: { DENO: Deno.execPath() },
  }).output();
  assert.equal(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}
