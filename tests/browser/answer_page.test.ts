/** An answer on the page of `serve`, in a real browser: asked for, looked at and shared by mouse, keyboard and phone. */
import assert from "node:assert/strict";
import { calculateAnswerAttribution, loadModel, loadSae } from "../../mod.ts";
import { checkPage, download, type Opened, openPage, runShown } from "../web/pages.ts";
import { browserTest } from "./browser.ts";

const PROMPT = " Tiger Woods plays the sport of";
const ANSWER = " golf. Roger Federer plays";

/** Asks for an answer as one does on the page. */
async function askFor(opened: Opened, what: "answer" | "generate", label: string, value: string): Promise<void> {
  const { page } = opened;
  await opened.done("Why ·golf and not ·tennis?");
  await page.getByText("More settings").click();
  await page.getByLabel("What is explained").selectOption(what);
  await page.getByText(what === "answer" ? "Type the answer to explain." : "Type how many tokens").waitFor();
  await page.getByLabel(label, { exact: true }).fill(value);
  await page.locator(".matrix").waitFor();
  await opened.answered();
}

const scope = ({ page }: Opened): Promise<string> => page.locator(".scope").first().innerText();

/** The summed attributions of positions, as the buttons of the prompt and the answer so far say them. */
async function shownSums({ page }: Opened): Promise<(number | undefined)[]> {
  const part = page.locator("section", { has: page.getByRole("heading", { name: "Prompt, and the answer so far" }) });
  const labels: string[] = [];
  for (const token of await part.locator("button.token").all()) {
    labels.push(await token.getAttribute("aria-label") ?? "");
  }
  return labels.map((label) => {
    const [, sum] = /, ([+-]?\d[\d.]*(?:e[+-]\d+)?)$/.exec(label.replaceAll("−", "-")) ?? [];
    return sum === undefined ? undefined : Number(sum);
  });
}

/** The same, computed anew: by position of the token that is explained. */
async function computedSums(): Promise<Map<number, (number | undefined)[]>> {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const { targets } = await calculateAnswerAttribution(model, PROMPT, ANSWER, { saes: [sae] });
  return new Map(targets.map(({ position, attribution }) => {
    const sums = new Array<number>(position).fill(0);
    for (const row of attribution.rows(sae.hookOut)) sums[row.position] += row.attribution;
    return [position, sums.map((sum, at) => at === 0 ? undefined : sum)]; // the SAE leaves BOS out
  }));
}

function assertClose(shown: readonly (number | undefined)[], sums: readonly (number | undefined)[]): void {
  assert.deepEqual(shown.map((x) => x === undefined), sums.map((x) => x === undefined));
  // Four digits of what is below 1.
  shown.forEach((x, at) =>
    assert.ok(x === undefined || Math.abs(x - sums[at]!) <= 5.1e-5, `${x} at ${at}: ${sums[at]}`)
  );
}

browserTest("an answer on the page by mouse: asked for, a token, a cell, files, the address", async (browser) => {
  await using opened = await openPage(browser);
  const { page } = opened;
  await askFor(opened, "answer", "Answer", ANSWER);
  assert.equal(await page.locator("h1").innerText(), "Why “golf. Roger Federer plays”?");
  assert.match(
    await scope(opened),
    /^Showing all 5 tokens together: log-probability of the answer \(5 tokens\) = −10\.\d+/,
  );
  const sums = await computedSums();
  assert.deepEqual([...sums.keys()], [7, 8, 9, 10, 11]);
  for (const target of [10, 7, 11]) {
    await page.getByRole("button", { name: new RegExp(`^Answer, position ${target}, `) }).click();
    assert.match(await scope(opened), new RegExp(`^Showing token ${target} `));
    assertClose(await shownSums(opened), sums.get(target)!);
  }
  await checkPage(opened);
  await page.locator(".matrix tbody tr").nth(3).locator("td").nth(9).click();
  assert.match(await scope(opened), /^Showing token 10 ·Federer: log-probability of ·Federer = −1\.\d+/);
  await page.getByText("Showing position 9").waitFor();
  await page.locator("#view button.feature").first().click();
  await page.getByRole("dialog").getByText("Raises", { exact: true }).waitFor();
  await checkPage(opened);
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Show the whole answer" }).click();
  const { command } = JSON.parse(await download(opened, "Download JSON"));
  assert.match(command, / --answer-text ' golf\. Roger Federer plays'$/);
  const rows = new TextDecoder().decode(await runShown(command, "position,attribution")).split("\n").slice(1, -1);
  const total = (at: number): number => {
    const own = rows.map((row) => row.split(",").slice(-2).map(Number)).filter(([position]) => position === at);
    return own.reduce((sum, [, attribution]) => sum + attribution, 0);
  };
  assertClose(await shownSums(opened), [undefined, ...Array.from({ length: 10 }, (_, i) => total(i + 1))]);
  await page.reload();
  await page.locator(".matrix").waitFor();
  await opened.answered();
  assert.equal(await page.getByLabel("Answer", { exact: true }).inputValue(), ANSWER);
  await page.getByLabel("Answer", { exact: true }).fill(" golf");
  await opened.done("Why “golf”?");
  assert.equal(await page.locator(".answer-token").count(), 1);
  await checkPage(opened);
});

browserTest("what the model says on the page by keyboard alone", async (browser) => {
  await using opened = await openPage(browser);
  const { page } = opened;
  await opened.done("Why ·golf and not ·tennis?");
  const focused = (): Promise<string> =>
    page.evaluate(
      "((at) => (at.getAttribute('aria-label') ?? at.labels?.[0]?.textContent ?? at.innerText)" +
        ".replaceAll(/\\s+/g, ' '))(document.activeElement)",
    );
  const tabTo = async (name: RegExp): Promise<void> => {
    for (let presses = 0; presses < 160; presses++) {
      if (name.test(await focused())) return;
      await page.keyboard.press("Tab");
    }
    assert.fail(`Tab does not reach ${name}`);
  };
  await tabTo(/^More settings/);
  await page.keyboard.press("Enter");
  await tabTo(/^What is explained/);
  await page.keyboard.type("each token of what");
  await tabTo(/^How many tokens of it/);
  await page.keyboard.type("3");
  await page.keyboard.press("Enter");
  await page.locator(".matrix").waitFor();
  await opened.answered();
  assert.equal(await page.locator(".answer-token").count(), 3);
  await tabTo(/^Answer, position 7, token ·golf/);
  await page.keyboard.press("Enter");
  assert.match(await scope(opened), /^Showing token 7 ·golf/);
  assertClose(await shownSums(opened), (await computedSums()).get(7)!); // it says " golf" itself
  assert.match(await focused(), /^Answer, position 7/, "the focus is where it was");
  await tabTo(/^Position 2, token ·Woods/);
  await page.keyboard.press("Space");
  await page.getByText("Showing position 2").waitFor();
  await tabTo(/^Look at .* at position 8/);
  await page.keyboard.press("Enter");
  assert.match(await scope(opened), /^Showing token 8 /);
  await tabTo(/^[+−]\d.*#\d+/);
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").isVisible(), false);
  await checkPage(opened);
});

for (const options of [{ width: 360, height: 740 }, { width: 360, height: 740, dark: true }]) {
  browserTest(`an answer on the page: ${JSON.stringify(options)}`, async (browser) => {
    await using opened = await openPage(browser, options);
    const { page } = opened;
    await askFor(opened, "answer", "Answer", ANSWER);
    await checkPage(opened);
    await page.getByRole("button", { name: /^Answer, position 10, / }).click();
    assert.match(await scope(opened), /^Showing token 10 ·Federer/);
    assertClose(await shownSums(opened), (await computedSums()).get(10)!);
    const box = await page.locator(".matrix").boundingBox();
    assert.ok(box !== null && box.x >= 0, "it scrolls inside its own box");
    await checkPage(opened);
    await page.getByLabel("How many tokens of it").waitFor({ state: "hidden" });
    await page.getByLabel("What is explained").selectOption("generate");
    await page.getByLabel("How many tokens of it").fill("2");
    await page.locator(".answer-token").nth(2).waitFor({ state: "detached" });
    await opened.answered();
    assert.equal(await page.locator(".answer-token").count(), 2);
    await checkPage(opened);
  });
}
