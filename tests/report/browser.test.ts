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
import { displayed } from "../../lib/report/to_html.ts";
import { dataHtml, embeddedJson, escapeHtml } from "../../lib/report/html.ts";
import { SCRIPT } from "../../lib/report/client/built.ts";
import { reportData } from "../../lib/report/data.ts";
import type { ReportData } from "../../lib/report/report_data.ts";
import { HOSTILE, hostileData, largeData, PROMPT, TINY_SAES, tinyData, withTinyFacts } from "./reports.ts";

const ANSWERS = ["--pos-token", " golf", "--neg-token", " tennis", "--threads", "1", "--quiet"];

/** Opens a page from disk, as a reader does. */
async function openReport(browser: TestBrowser, html: string, options?: PageOptions): Promise<Watched> {
  const file = await Deno.makeTempFile({ suffix: ".html" });
  await Deno.writeTextFile(file, html);
  const watched = await browser.open(options);
  await watched.page.goto(pathToFileURL(file).href);
  await watched.page.waitForSelector(".tokens");
  await Deno.remove(file);
  return watched;
}

/** Nothing went wrong, nothing left the machine, and everyone can read it. */
async function assertSound(watched: Watched, name: string): Promise<void> {
  assert.deepEqual(watched.errors, [], name);
  assert.deepEqual(watched.requests, [], name);
  assert.deepEqual(await axeViolations(watched), [], name);
  assert.equal(await overflows(watched), false, `${name}: wider than its window`);
}

const texts = (page: Page, selector: string): Promise<string[]> => page.locator(selector).allInnerTexts();

async function downloaded(page: Page, button: string): Promise<string> {
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: button }).click(),
  ]);
  return await Deno.readTextFile(await download.path());
}

browserTest(
  "a report from the command line, opened from disk: tokens, bars, features, a card, downloads",
  async (browser, t) => {
    const file = await Deno.makeTempFile({ suffix: ".html" });
    const { code, stdout, stderr } = await runCli(["report", PROMPT, ...ANSWERS, "--output", file]);
    assert.deepEqual([code, stdout, stderr], [0, "", ""]);
    const html = await Deno.readTextFile(file);
    await Deno.remove(file);
    const watched = await openReport(browser, html);
    const { page } = watched;
    await t.step("what it says at first", async () => {
      await assertSound(watched, "at first");
      assert.deepEqual(await texts(page, "h1"), ["Why ·golf and not ·tennis?"]);
      assert.match((await texts(page, ".metric"))[0], /\+2\.853: ·golf is 17 times as probable as ·tennis/);
      assert.deepEqual((await texts(page, ".token .text")).slice(0, 3), ["<|endoftext|>", "·Tiger", "·Woods"]);
      assert.equal(await page.locator(".column").count(), 7);
      assert.match((await texts(page, ".predictions tbody tr"))[0], /·golf.*91\.7 %/s);
      assert.match(
        (await texts(page, "#command code"))[0],
        /^deno run -A cli\.ts report ' Tiger Woods plays the sport of'/,
      );
    });
    await t.step("a position", async () => {
      await page.getByRole("button", { name: "Position 2, token ·Woods" }).first().click();
      assert.match((await texts(page, ".scope"))[0], /Showing position 2/);
      assert.deepEqual(new Set(await texts(page, ".rows tbody th sub")), new Set(["2"]));
      assert.match((await texts(page, ".feature"))[0], /before the answer about sport\s+#511/);
      await page.getByRole("button", { name: "Show all" }).click();
      assert.match((await texts(page, ".feature"))[0], /the answer comes next \(sport\)\s+#189/);
    });
    await t.step("a card", async () => {
      await page.locator(".feature").first().click();
      await assertSound(watched, "with a card");
      assert.match((await texts(page, "dialog"))[0], /Speaks for ·golf with \+0\.2187[^]*·golf\s+\+1\.28/);
      assert.equal(await page.locator(".contexts li").count(), 6);
      assert.equal(await page.locator("dialog iframe, dialog details").count(), 0, "it is not on Neuronpedia");
      await page.getByRole("button", { name: "Close" }).click();
      assert.equal(await page.locator("dialog[open]").count(), 0);
    });
    await t.step("the table: filter and sorting", async () => {
      await page.getByRole("searchbox").fill("SURNAME");
      assert.match((await texts(page, ".count"))[0], /^\d+ of 89 rows$/);
      for (const row of await texts(page, ".rows tbody tr")) assert.match(row, /surname/);
      await page.getByRole("searchbox").fill("");
      await page.locator(".rows thead").getByRole("button", { name: "Feature" }).click();
      const features = (await texts(page, ".rows tbody td:nth-child(2)")).map(Number);
      assert.deepEqual(features, features.toSorted((a, b) => a - b));
      assert.equal(await page.locator("th[aria-sort=ascending]").innerText(), "Feature");
      await page.getByRole("button", { name: /^Show more/ }).click();
      assert.equal(await page.locator(".rows tbody tr").count(), 89);
    });
    await t.step("the CSV has the command line's rows, the JSON everything", async () => {
      const columns = "position,token,feature,activation,gradient,attribution,label";
      const table = await runCli(["attribute", PROMPT, ...ANSWERS, "--format", "csv", "--columns", columns]);
      assert.equal(await downloaded(page, "Download CSV"), table.stdout);
      const data = JSON.parse(await downloaded(page, "Download JSON")) as ReportData;
      assert.equal(data.saes[0].rows.feature.length, 89);
    });
    assert.deepEqual([watched.errors, watched.requests], [[], []]);
  },
);

browserTest("the same by keyboard alone", async (browser) => {
  const { page } = await openReport(browser, await dataHtml(await tinyData()));
  const focused = (): Promise<string> =>
    page.evaluate("document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText");
  const tabTo = async (name: RegExp): Promise<void> => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      if (name.test(await focused())) return;
    }
    assert.fail(`no way to ${name} with Tab`);
  };
  await tabTo(/^Position 6, token ·of/);
  await page.keyboard.press("Enter");
  assert.match((await texts(page, ".scope"))[0], /Showing position 6/);
  assert.match(await focused(), /^Position 6, token ·of/, "focus stays where it was");
  await tabTo(/the answer comes next \(sport\)/);
  await page.keyboard.press("Enter");
  assert.equal(await page.locator("dialog[open]").count(), 1);
  assert.equal(await focused(), "the answer comes next (sport)");
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("dialog[open]").count(), 0);
  assert.match(await focused(), /#189/, "focus comes back");
  await tabTo(/^Attribution/);
  await page.keyboard.press("Space");
  assert.equal(await page.locator("th[aria-sort]").getAttribute("aria-sort"), "ascending");
});

browserTest("at phone width and in the dark, with several SAEs and warnings", async (browser, t) => {
  const data = await withTinyFacts(
    TINY_SAES,
    (result) => reportData(result, { cards: 5, warnings: ["Look at this."] }),
  );
  const html = await dataHtml(data);
  for (const options of [{ width: 360, height: 780 }, { dark: true }, { width: 360, height: 780, dark: true }]) {
    await t.step(JSON.stringify(options), async () => {
      const watched = await openReport(browser, html, options);
      const { page } = watched;
      await assertSound(watched, "at first");
      const paper = await page.evaluate("getComputedStyle(document.body).backgroundColor");
      assert.equal(paper, options.dark ? "rgb(16, 19, 23)" : "rgb(255, 255, 255)");
      await page.getByRole("button", { name: "blocks.2.hook_mlp_out" }).click();
      assert.equal(await page.locator(".saes [aria-pressed=true]").innerText(), "blocks.2.hook_mlp_out");
      await page.locator(".feature").first().click();
      await assertSound(watched, "with a card");
      const box = await page.locator("dialog").boundingBox();
      assert.ok(box!.x >= 0 && box!.x + box!.width <= (options.width ?? 1280));
    });
  }
});

browserTest("a result in a notebook: a frame that reaches nothing outside itself", async (browser) => {
  const shown = await withTinyFacts(TINY_SAES.slice(1, 2), displayed);
  const watched = await browser.open();
  await watched.page.setContent(`<!DOCTYPE html><html lang="en"><title>Notebook</title>${shown["text/html"]}</html>`);
  const frame = watched.page.frameLocator("iframe");
  await frame.locator(".feature").first().click();
  assert.equal(await frame.locator("h1").innerText(), "Why ·golf and not ·tennis?");
  assert.match(await frame.locator("dialog").innerText(), /Speaks for ·golf/);
  assert.deepEqual([watched.errors, watched.requests], [[], []]);
});

browserTest("nothing is loaded from Neuronpedia until its dashboard is opened", async (browser) => {
  const data = await tinyData();
  const html = await dataHtml({
    ...data,
    saes: data.saes.map((sae) => ({ ...sae, neuronpediaId: "gpt2-small/10-res-jb" })),
  });
  const { page, requests } = await openReport(browser, html);
  await page.locator(".feature").first().click();
  assert.equal(await page.locator("dialog a").getAttribute("href"), "https://neuronpedia.org/gpt2-small/10-res-jb/189");
  assert.deepEqual(requests, []);
  const asked = page.waitForEvent("requestfailed"); // the test lets nothing through
  await page.locator("dialog summary").click();
  await asked;
  assert.deepEqual(requests, [
    "https://neuronpedia.org/gpt2-small/10-res-jb/189?embed=true&embedexplanation=true&embedplots=true&embedtest=true&height=300",
  ]);
});

browserTest("markup in prompts, labels and tokens stays text", async (browser) => {
  const data = hostileData(await tinyData());
  const html = await dataHtml(data);
  assert.equal(html.split("</script>").length, 3, "only the report's own two scripts end");
  const watched = await openReport(browser, html);
  const { page } = watched;
  await page.locator(".token").nth(2).click();
  await page.locator(".feature").first().click();
  await page.locator("dialog summary").click();
  assert.equal(await page.evaluate("globalThis.pwned"), undefined);
  assert.equal(await page.locator("img, #result b").count(), 0);
  assert.deepEqual(watched.errors.filter((text) => !text.includes("ERR_FAILED")), []);
  assert.deepEqual(
    watched.requests.filter((url) => !url.startsWith("https://neuronpedia.org/a/..%22%3E%3Cimg%20src%3Dx%3E/")),
    [],
  );
  assert.ok((await texts(page, ".eyebrow"))[0].includes('<img src="http://127.0.0.1:1/x.png"'));
});

browserTest("what runs is the report's own script only", async (browser) => {
  const html = (await dataHtml(await tinyData())).replace("</main>", "</main><script>globalThis.pwned = 1</script>");
  const { page, errors } = await openReport(browser, html);
  assert.equal(await page.evaluate("globalThis.pwned"), undefined);
  assert.match(errors.join(), /Content Security Policy/);
});

browserTest("a large report: 64 tokens, 3,000 rows, 150 cards in less than a megabyte", async (browser) => {
  const html = await dataHtml(largeData(await tinyData(3)));
  assert.ok(new TextEncoder().encode(html).length < 1_000_000, `${html.length}`);
  for (const width of [1280, 360]) {
    const watched = await openReport(browser, html, { width });
    await assertSound(watched, `${width}`);
    assert.equal(await watched.page.locator(".column").count(), 64);
    assert.match((await texts(watched.page, ".count"))[0], /^3,000 rows$/);
  }
});

Deno.test("JSON and text inside HTML, and a script that ends nowhere early", () => {
  assert.deepEqual(JSON.parse(embeddedJson({ text: HOSTILE })), { text: HOSTILE });
  assert.doesNotMatch(embeddedJson({ text: HOSTILE }), /[<>&\u2028]/);
  assert.equal(escapeHtml(`<a href="x">&'`), "&#60;a href=&#34;x&#34;&#62;&#38;&#39;");
  assert.doesNotMatch(SCRIPT, /<\/script|<!--/i);
});
