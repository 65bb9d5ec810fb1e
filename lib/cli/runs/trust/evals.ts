/**
 * What `evals` does once its command line is understood.
 *
 * @module
 */
import { preparePrompt } from "../../../attribution/run/prompt.ts";
import { promptWarnings } from "../../../attribution/run/prompt_warnings.ts";
import { evaluateSae, type SaeEvals } from "../../../attribution/evals/sae_evals.ts";
import type { Model } from "../../../model/model.ts";
import type { Sae } from "../../../sae/sae.ts";
import { jsonText } from "../../../table/json.ts";
import type { Cell, Table } from "../../../table/table.ts";
import { printable } from "../../../table/terminal.ts";
import { inChat } from "../../../request/chat.ts";
import type { EvalsRequest } from "../../commands/trust/evals.ts";
import { openShown } from "../../open.ts";
import { PromptNotes } from "../../screen/prompt_notes.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withProgress } from "../../screen/progress.ts";
import { type FilePrompt, readPromptFile, STDIN } from "../../args/prompt.ts";
import { count, percent, plain } from "../../../report/figures.ts";
import { entry, type Page, saeEntry, titled } from "../../screen/summary_layout.ts";
import { writeChunks, writeTable } from "../../screen/write_table.ts";

/** An SAE's figures. */
interface Evaluated {
  readonly sae: Sae;
  readonly figures: SaeEvals;
}

/** Evaluates the SAEs one after another and writes their figures. */
export async function evals(request: EvalsRequest): Promise<void> {
  const { quiet, prompts: file } = request;
  const name = file === STDIN ? "standard input" : file;
  const prompts = await readPromptFile(file);
  const screen = stderrScreen(quiet);
  await using opened = await openShown(
    { ...request, manyPrompts: true, prompts: prompts.map(({ prompt }) => prompt) },
    screen,
  );
  const { model, saes } = opened;
  const evaluated: Evaluated[] = [];
  for (const sae of saes) {
    const notes = new PromptNotes();
    const work = (): Promise<SaeEvals> => evaluate(model, sae, name, prompts, request, notes);
    const isFirst = evaluated.length === 0;
    evaluated.push({ sae, figures: await withProgress(screen, `evaluating ${printable(sae.hookOut)}`, work) });
    if (!quiet && isFirst) await notes.print(); // the same for all
  }
  if (!quiet) await printNote(report(model.description, name, prompts.length, evaluated, screen));
  await write(evaluated, request);
}

async function evaluate(
  model: Model,
  sae: Sae,
  name: string,
  prompts: readonly FilePrompt[],
  request: EvalsRequest,
  notes: PromptNotes,
): Promise<SaeEvals> {
  const { prependBos, truncate, processing, processingFlags, excludeSpecialTokens, batchSize, chat } = request;
  const { dVocab } = model.architecture.config;
  const batchTokens: (readonly number[])[] = [];
  for (const { line, prompt } of prompts) {
    const unknown = typeof prompt === "string" ? undefined : prompt.find((id) => id >= dVocab);
    if (unknown !== undefined) {
      throw new RangeError(`Line ${line} of ${name}: token id ${unknown} is not in the vocabulary of ${dVocab}`);
    }
    batchTokens.push(
      await atLine(name, line, async () => {
        const given = await inChat(model, prompt, chat);
        const { tokens } = await preparePrompt(model, given, [sae], { prependBos, truncate });
        notes.add(`in line ${line}`, await promptWarnings(model, given, tokens));
        return tokens;
      }),
    );
  }
  return await evaluateSae(model, sae, batchTokens, { processing, processingFlags, excludeSpecialTokens, batchSize });
}

/** Says in which line a prompt is that does not fit the model. */
async function atLine<T>(name: string, line: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`Line ${line} of ${name}: ${error.message}`, { cause: error });
  }
}

async function write(evaluated: readonly Evaluated[], { destination }: EvalsRequest): Promise<void> {
  if (destination.format === "table") return await writeTable(evalsTable(evaluated), destination);
  await writeChunks(evalsJson(evaluated), destination.file);
}

/** An array with one object a line and SAE; what is not a number is null. */
function evalsJson(evaluated: readonly Evaluated[]): string[] {
  const objects = evaluated.map(({ sae: { hookOut: hook, source }, figures }) =>
    jsonText({ hook, source, ...figures })
  );
  return ["[\n", ...objects.map((text, i) => i === objects.length - 1 ? `${text}\n` : `${text},\n`), "]\n"];
}

/** The figures for people; of several SAEs, each row says whose it is. */
function evalsTable(evaluated: readonly Evaluated[]): Table {
  const isOne = evaluated.length === 1;
  const rows = evaluated.flatMap(({ sae: { hookOut, source }, figures }) =>
    figureRows(figures).map((row): Cell[] => isOne ? row : [source, hookOut, ...row])
  );
  return { columns: [...isOne ? [] : ["source", "hook"], "figure", "value"], rows };
}

function figureRows(figures: SaeEvals): [figure: string, value: string][] {
  const groups = [
    figures.model_behavior_preservation,
    figures.model_performance_preservation,
    figures.reconstruction_quality,
    figures.shrinkage,
    figures.sparsity,
    figures.token_stats,
  ];
  // As text: one number of digits for all would suit a count or a divergence, not both.
  const show = (value: number): string => Number.isInteger(value) ? String(value) : plain(value);
  return [
    ...groups.flatMap((group) => Object.entries<number>({ ...group }).map(([k, v]): [string, string] => [k, show(v)])),
    ["feature_density", densityWords(figures.feature_density)],
  ];
}

function densityWords(density: readonly number[]): string {
  const active = density.filter((share) => share > 0).sort((a, b) => a - b);
  const words = `${active.length} of ${count(density.length, "feature")} active`;
  if (active.length === 0) return words;
  return `${words}; median of these ${percent(active[active.length >> 1])}, most ${percent(active.at(-1)!)}`;
}

function report(
  description: string,
  name: string,
  prompts: number,
  evaluated: readonly Evaluated[],
  page: Page,
): string {
  const lines = evaluated.flatMap(({ sae: { hookOut, source }, figures }) => {
    const tokens = count(figures.token_stats.total_tokens_eval_reconstruction, "token");
    const form = Object.entries(figures.processing).filter(([, value]) => value).map(([flag]) => flag).join(", ");
    return [
      saeEntry(source, hookOut, page),
      entry("Prompts", `${prompts} in ${printable(name)}, ${tokens}`.split(" "), page),
      entry("Processing", (form || "none").split(" "), page),
    ];
  });
  return titled(description, lines, page);
}
