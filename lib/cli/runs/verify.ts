/**
 * What `verify` does once its command line is understood.
 *
 * @module
 */
import { parseJson } from "../../weights/json/json.ts";
import { quote } from "../../quote.ts";
import { parseFigures, type PublishedFigures } from "../../attribution/trust/figures.ts";
import { compareFigures, type FigureComparison } from "../../attribution/trust/published.ts";
import type { Table } from "../../table/table.ts";
import { readTextFile } from "../../platform/read_text.ts";
import { printable } from "../../table/terminal.ts";
import { openShown } from "../open.ts";
import { printNote, stderrScreen, stdoutScreen } from "../screen/output.ts";
import { withProgress } from "../screen/progress.ts";
import { entry, heading, type Page } from "../screen/summary_layout.ts";
import type { VerifyRequest } from "../commands/verify.ts";
import { writeTable } from "../screen/write_table.ts";

/** What is verified if the user names no file. */
const NOTEBOOK = "models/verify/notebook.json";

/**
 * Computes the figures again, writes them beside the published ones, and counts which agree.
 *
 * @throws {Error} if one does not
 */
export async function verify(request: VerifyRequest): Promise<void> {
  const { quiet, destination, device, threads } = request;
  const read = await readFigures(request.file);
  const figures = { ...read, model: request.model ?? read.model, sae: request.sae ?? read.sae };
  const screen = quiet ? { ...stderrScreen(), isTerminal: false } : stderrScreen();
  const run = { device, threads, quiet, prependBos: figures.prependBos, processing: figures.processing };
  const named = { model: figures.model, revision: undefined, truncate: false, saes: [{ source: figures.sae }] };
  await using opened = await openShown({ ...run, ...named }, screen);
  const { model, saes: [sae] } = opened;
  const checks = await withProgress(screen, "verifying", () => compareFigures(model, sae, figures));
  if (checks.length === 0) throw new RangeError(`${figures.title} has no figures: give next_tokens or attributions`);
  await writeTable(figureTable(checks), destination, stdoutScreen(), "");
  if (!quiet) {
    await printNote(report(figures, checks, [model.resolved ?? model.name, sae.resolved ?? sae.source], screen));
  }
  const wrong = checks.filter(({ agrees }) => !agrees);
  if (wrong.length > 0) {
    const [{ figure, published, computed }] = wrong;
    throw new Error(
      `${wrong.length} of ${checks.length} published figures do not agree, the first is the ${figure}: ` +
        `${quote(published)} was published, ${quote(computed)} computed here`,
    );
  }
}

async function readFigures(file: string | undefined): Promise<PublishedFigures> {
  if (file === undefined) {
    const { href } = new URL(`../../../${NOTEBOOK}`, import.meta.url);
    return parseFigures((await import(href, { with: { type: "json" } })).default, NOTEBOOK);
  }
  const what = "figures from";
  return parseFigures(parseJson(await readTextFile(file, what), `${what} ${file}`), file);
}

/** A row per figure. */
function figureTable(checks: readonly FigureComparison[]): Table {
  return {
    columns: ["figure", "published", "computed", "tolerance", "agrees"],
    rows: checks.map(({ figure, published, computed, tolerance, agrees }) => [
      figure,
      published,
      computed,
      tolerance,
      agrees,
    ]),
  };
}

function report(
  { title, source, prompt }: PublishedFigures,
  checks: readonly FigureComparison[],
  resolved: readonly string[],
  page: Page,
): string {
  const words = (text: string): string[] => printable(text).split(" ");
  const groups = Map.groupBy(checks, ({ group }) => group);
  const counts = [...groups].map(([group, all]) => {
    const agreeing = all.filter(({ agrees }) => agrees).length;
    const mark = agreeing === all.length ? "ok" : "DIFFERS";
    return `  ${mark.padEnd(8)}${agreeing} of ${all.length} figures agree: ${group}`;
  });
  const lines = [
    entry("Model", words(resolved[0]), page),
    entry("SAE", words(resolved[1]), page),
    entry("Prompt", [printable(prompt)], page),
    ...(source === "" ? [] : [entry("Published", words(source), page)]),
  ];
  return `${heading(printable(title), page)}\n\n${lines.join("\n")}\n\n${counts.join("\n")}\n`;
}
