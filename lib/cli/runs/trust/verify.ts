/**
 * What `verify` does once its command line is understood.
 *
 * @module
 */
import { parseJson } from "../../../weights/json/json.ts";
import { quote } from "../../../quote.ts";
import type { FigureComparison } from "../../../attribution/trust/published.ts";
import { type FiguresFile, parseFigures, verifyFigures } from "../../../request/figures.ts";
import type { Opened } from "../../../request/open.ts";
import { RequestError } from "../../../request/request_error.ts";
import type { Table } from "../../../table/table.ts";
import { readTextFile } from "../../../platform/read_text.ts";
import { printable } from "../../../table/terminal.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withProgress } from "../../screen/progress.ts";
import { entry, heading, type Page } from "../../screen/summary_layout.ts";
import type { VerifyRequest } from "../../commands/trust/verify.ts";
import { writeTable } from "../../screen/write_table.ts";

/** What is verified if the user names no file. */
const NOTEBOOK = "models/verify/notebook.json";

/**
 * Computes the figures again, writes them beside the published ones, and counts which agree.
 *
 * @throws {Error} if one does not
 */
export async function verify(request: VerifyRequest): Promise<void> {
  const { quiet, destination, device, threads } = request;
  const read = withCopies(await readFile(request.file), request);
  const { figures } = read;
  const screen = stderrScreen(quiet);
  await using opened = await openShown({ ...read.run, prompt: read.prompt, device, threads }, screen);
  const checks = await withProgress(screen, "verifying", () => verifyFigures(opened, read));
  if (checks.length === 0) throw new RangeError(`${figures.title} has no figures: give next_tokens or attributions`);
  await writeTable(figureTable(checks), destination);
  if (!quiet) {
    await printNote(report(read, checks, opened, screen));
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

async function readFile(file: string | undefined): Promise<FiguresFile> {
  if (file === undefined) {
    const { href } = new URL(`../../../../${NOTEBOOK}`, import.meta.url);
    return parseFigures((await import(href, { with: { type: "json" } })).default, NOTEBOOK);
  }
  const what = "figures from";
  return parseFigures(parseJson(await readTextFile(file, what), `${what} ${file}`), file);
}

/** The same run on copies of its model and SAE. */
function withCopies(file: FiguresFile, { model, sae }: Pick<VerifyRequest, "model" | "sae">): FiguresFile {
  const { run } = file;
  if (sae !== undefined && run.saes.length > 1) {
    throw new RequestError(`the figures are of ${run.saes.length} SAEs, and \`sae\` is one: leave it out`);
  }
  const saes = sae === undefined ? run.saes : [{ ...run.saes[0], source: sae }];
  const copy = model === undefined ? {} : { model, revision: undefined };
  return { ...file, run: { ...run, ...copy, saes } };
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
  { prompt, figures: { title, source } }: FiguresFile,
  checks: readonly FigureComparison[],
  { model, saes }: Opened,
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
    entry("Model", words(model.resolved ?? model.name), page),
    ...saes.map((sae) => entry("SAE", words(sae.resolved ?? sae.source), page)),
    entry("Prompt", [typeof prompt === "string" ? printable(prompt) : prompt.join(",")], page),
    ...(source === "" ? [] : [entry("Published", words(source), page)]),
  ];
  return `${heading(printable(title), page)}\n\n${lines.join("\n")}\n\n${counts.join("\n")}\n`;
}
