/**
 * What `generate` does once its command line is understood.
 *
 * @module
 */
import type { GeneratedToken, GenerationEnd } from "../../../model/generate/generate_types.ts";
import type { Model } from "../../../model/model.ts";
import { promptWarnings } from "../../../attribution/run/prompt_warnings.ts";
import { count } from "../../../report/figures.ts";
import { promptWords } from "../../../report/words.ts";
import { inChat } from "../../../request/chat.ts";
import { printable } from "../../../table/terminal.ts";
import type { Table } from "../../../table/table.ts";
import { readPrompt } from "../../args/prompt.ts";
import type { GenerateRequest } from "../../commands/explain/generate.ts";
import { openShown } from "../../open.ts";
import { Interrupted, onInterrupt } from "../../screen/interrupt.ts";
import { printNote, stderrScreen, stdoutScreen } from "../../screen/output.ts";
import { withProgress } from "../../screen/progress.ts";
import { entry, titled, warningEntries } from "../../screen/summary_layout.ts";
import { PrintedText } from "../../screen/text_stream.ts";
import { writeTable } from "../../screen/write_table.ts";

/** Generates and writes what was asked for. */
export async function generateAndWrite(request: GenerateRequest): Promise<void> {
  const { generation, quiet, destination, prependBos, truncate } = request;
  const given = await readPrompt(request.prompt);
  const screen = stderrScreen(quiet);
  await using opened = await openShown({ ...request, saes: [], manyPrompts: true }, screen);
  const { model } = opened;
  const prompt = await inChat(model, given, request.chat);
  const ids = await model.toTokens(prompt, { prependBos, truncate });
  if (!quiet) {
    const words = entry("Prompt", promptWords(await model.describeTokens(ids)), screen);
    const warnings = warningEntries(await promptWarnings(model, prompt, ids), screen);
    await printNote(titled(model.description, [words, ...warnings], screen));
  }
  using interrupt = onInterrupt();
  const asked = model.generate(ids, { ...generation, signal: interrupt.signal });
  const work = destination === undefined
    ? printed(asked)
    : withProgress(screen, "generating", () => Array.fromAsync(asked));
  const tokens = await interrupt.end(work);
  if (destination !== undefined) await writeTable(await tokenTable(model, tokens), destination, "log_probability");
  const ended = tokens.at(-1)?.ended ?? "maxTokens";
  if (interrupt.code !== undefined) {
    throw new Interrupted(`stopped after ${count(tokens.length, "token")}`, interrupt.code);
  }
  if (!quiet) await printNote(`\n${entry("Ended", await endWords(model, tokens, ended), screen)}\n`);
}

/** Prints the text of tokens as they come. */
async function printed(tokens: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const text = new PrintedText(stdoutScreen());
  const found: GeneratedToken[] = [];
  try {
    for await (const token of tokens) {
      found.push(token);
      await text.print(token.text);
    }
  } finally {
    if (found.length > 0) await text.end();
  }
  return found;
}

async function tokenTable(model: Model, tokens: readonly GeneratedToken[]): Promise<Table> {
  const described = await model.describeTokens(tokens.map(({ id }) => id));
  return {
    columns: ["position", "token", "id", "log_probability"],
    rows: tokens.map(({ position, id, logProbability }, i) => [
      position,
      described[i].text,
      id,
      Math.fround(logProbability),
    ]),
  };
}

/** Why it ended, in words. */
async function endWords(model: Model, tokens: readonly GeneratedToken[], ended: GenerationEnd): Promise<string[]> {
  const last = tokens.at(-1);
  const [{ text }] = last ? await model.describeTokens([last.id]) : [{ text: "" }];
  const why: Readonly<Record<GenerationEnd, string>> = {
    eos: `by ${printable(text)}`,
    stop: "by a stop text",
    maxTokens: "by --max-tokens",
    context: `where the model's context of ${model.architecture.config.nCtx} tokens is full`,
    aborted: "by a signal",
  };
  return [`after ${count(tokens.length, "token")}`, ...why[ended].split(" ")];
}
