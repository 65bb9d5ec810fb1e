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
import { type PageOptions, startBrowser } from "../browser/browser.ts";
import { commandLine } from "../../lib/request/command.ts";

const PICTURES = new URL("../../.github/pictures/", import.meta.url);
const MOST_BYTES = 200_000;

/** One screenshot. */
interface Picture {
  readonly name: string;
  readonly options: PageOptions;
  /** Brings the page into the state that is shown. */
  readonly prepare?: (page: Page) => Promise<void>;
}

const DESKTOP: PageOptions = { width: 1060, height: 1000, scale: 2 };
const PHONE: PageOptions = { width: 360, height: 740, scale: 2 };

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

if (import.meta.main) {
  await Deno.mkdir(PICTURES, { recursive: true });
  const file = await Deno.makeTempFile({ suffix: ".html" });
  await Deno.writeTextFile(file, await exampleReport());
  await using browser = await startBrowser();
  for (const { name, options, prepare } of REPORT) {
    const { page, context, errors } = await browser.open(options);
    await page.goto(pathToFileURL(file).href);
    await prepare?.(page);
    if (errors.length > 0) throw new Error(`${name}: ${errors.join("; ")}`);
    const target = fileURLToPath(new URL(`${name}.png`, PICTURES));
    await page.screenshot({ path: target });
    const length = await withFewerColours(target);
    console.log(`${name}.png ${Math.ceil(length / 1000)} KB`);
    if (length > MOST_BYTES) throw new RangeError(`${name}.png has more than ${MOST_BYTES / 1000} KB: make it smaller`);
    await context.close();
  }
  await Deno.remove(file);
}
