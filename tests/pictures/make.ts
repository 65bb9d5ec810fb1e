/**
 * The papers' pictures: real screenshots of what the program makes, in .github/pictures. Needs Chromium and pngquant;
 * with the fonts Inter and DejaVu Sans Mono they come out as they are (Debian: chromium pngquant fonts-inter
 * fonts-dejavu-core).
 *
 *     deno run -A tests/pictures/make.ts
 */
import { fileURLToPath, pathToFileURL } from "node:url";
import { calculateFeatureAttribution, loadModel, loadSae, logitDiff, toHtml } from "../../mod.ts";
import type { Page } from "../browser/deps.ts";
import { type PageOptions, startBrowser, type TestBrowser } from "../browser/browser.ts";
import { buildSite } from "../../lib/site/build/build.ts";
import { serveStatic } from "../../lib/site/build/serve.ts";
import { commandLine } from "../../lib/request/command.ts";

const PICTURES = new URL("../../.github/pictures/", import.meta.url);
const MOST_BYTES = 200_000;

/** One screenshot. */
interface Picture {
  /** Of the file; what it begins with says what is shown. */
  readonly name: string;
  readonly options: PageOptions;
  /** Brings the page into the state that is shown. */
  readonly prepare?: (page: Page) => Promise<void>;
}

const DESKTOP: PageOptions = { width: 1060, height: 1000, scale: 2 };
const PHONE: PageOptions = { width: 360, height: 740, scale: 2 };

const WIDE: PageOptions = { width: 1280, height: 1140, scale: 1.5 };

const answered = async (page: Page): Promise<void> => {
  await page.getByText(/^Done in /).waitFor(); // also after it was loaded once more
};

const openCard = async (page: Page): Promise<void> => {
  await page.locator(".feature").first().click();
  await page.waitForTimeout(400); // the card slides in
};

const REPORT: readonly Picture[] = [
  { name: "report", options: DESKTOP },
  { name: "report-dark", options: { ...DESKTOP, dark: true } },
  { name: "report-card", options: { ...DESKTOP, height: 880 }, prepare: openCard },
  { name: "report-phone", options: PHONE },
];

const SITE: readonly Picture[] = [
  { name: "site", options: WIDE, prepare: answered },
  { name: "site-dark", options: { ...WIDE, dark: true }, prepare: answered },
];

/** Screenshots of pages have few colours: a palette is a third of the size. */
async function withFewerColours(file: string): Promise<number> {
  const args = ["--force", "--skip-if-larger", "--strip", "--speed", "1", "--output", file, "256", file];
  const { success, stderr } = await new Deno.Command("pngquant", { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return (await Deno.stat(file)).size;
}

/** The report of the README's first example. */
async function exampleReport(): Promise<string> {
  const [prompt, positive, negative] = [" Tiger Woods plays the sport of", " golf", " tennis"];
  await using model = await loadModel("tiny-facts");
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  const result = await calculateFeatureAttribution(model, prompt, logitDiff(positive, negative), { saes: [sae] });
  const args = ["report", prompt, "--pos-token", positive, "--neg-token", negative, "--output", "report.html"];
  return await toHtml(result, { command: commandLine(args) });
}

async function take(browser: TestBrowser, address: string, pictures: readonly Picture[]): Promise<void> {
  for (const { name, options, prepare } of pictures) {
    const { page, context, errors } = await browser.open({ ...options, allowed: [new URL(address).host] });
    await page.goto(address);
    await prepare?.(page);
    if (errors.length > 0) throw new Error(`${name}: ${errors.join("; ")}`);
    const target = fileURLToPath(new URL(`${name}.png`, PICTURES));
    await page.screenshot({ path: target });
    const length = await withFewerColours(target);
    console.log(`${name}.png ${Math.ceil(length / 1000)} KB`);
    if (length > MOST_BYTES) throw new RangeError(`${name}.png has more than ${MOST_BYTES / 1000} KB: make it smaller`);
    await context.close();
  }
}

if (import.meta.main) {
  await Deno.mkdir(PICTURES, { recursive: true });
  const [file, directory] = [await Deno.makeTempFile({ suffix: ".html" }), await Deno.makeTempDir()];
  await Deno.writeTextFile(file, await exampleReport());
  await buildSite(directory);
  const server = await serveStatic(directory);
  await using browser = await startBrowser();
  await take(browser, pathToFileURL(file).href, REPORT);
  await take(browser, `http://127.0.0.1:${server.port}/`, SITE);
  await server.close();
  await Deno.remove(file);
  await Deno.remove(directory, { recursive: true });
}
