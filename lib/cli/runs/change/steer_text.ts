/**
 * What `steer --generate` does once its command line is understood.
 *
 * @module
 */
import { type SteeredText, steerText } from "../../../attribution/change/steer_text.ts";
import type { SteeringVector } from "../../../attribution/change/steering_vector.ts";
import { runOptionsOf } from "../../../attribution/run/run_options.ts";
import { count } from "../../../report/figures.ts";
import { written } from "../../../request/chat.ts";
import { printable, printableLines } from "../../../table/terminal.ts";
import type { Table } from "../../../table/table.ts";
import { readPrompt } from "../../args/prompt.ts";
import type { Asked, SteerRequest, SteerTextRequest } from "../../commands/change/steer.ts";
import { openShown } from "../../open.ts";
import { Interrupted, onInterrupt } from "../../screen/interrupt.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { heading } from "../../screen/summary_layout.ts";
import { placed } from "./placed.ts";
import { writeTable } from "../../screen/write_table.ts";

/** Steers and writes texts: on standard error as they come, on standard output their table. */
export async function steerTextAndWrite(
  request: SteerRequest,
  text: SteerTextRequest,
  vectors: readonly Asked<SteeringVector>[],
): Promise<void> {
  const { quiet, destination } = request;
  const prompt = await readPrompt(request.prompt);
  const screen = stderrScreen(quiet);
  await using opened = await openShown({ ...request, manyPrompts: true }, screen);
  const { model, saes } = opened;
  const chat = await written(model, prompt, request.chat);
  const { includeErrorTerm: _, ...run } = runOptionsOf(request);
  using interrupt = onInterrupt();
  let shown: number | undefined;
  if (!quiet) await printNote(`${heading(printable(model.description), screen)}\n`);
  const changes = placed(chat, [...request.interventions, ...vectors]);
  const steered = interrupt.end(steerText(model, chat.prompt, changes, {
    ...run,
    ...text.generation,
    saes,
    strengths: text.strengths,
    signal: interrupt.signal,
    async onToken({ text }, strength) {
      if (quiet) return;
      if (shown !== strength) await printNote(`\n${heading(`Strength ${strength}`, screen)}\n`);
      shown = strength;
      await printNote(printableLines(text));
    },
  }));
  const { texts } = await steered.finally(() => quiet ? undefined : printNote("\n\n"));
  await writeTable(textTable(texts, saes.length > 1), destination);
  if (interrupt.code !== undefined) {
    throw new Interrupted(`stopped after ${count(texts.length, "text")}`, interrupt.code);
  }
}

function textTable(texts: readonly SteeredText[], withHooks: boolean): Table {
  const [{ activations }] = texts;
  const columns = activations.map(({ hook, feature }) => `activation_${withHooks ? `${hook}:` : ""}${feature}`);
  return {
    columns: ["strength", "text", "tokens", "perplexity", ...columns],
    rows: texts.map(({ strength, text, tokens, perplexity, activations }) => [
      strength,
      text,
      tokens.length,
      Math.fround(perplexity),
      ...activations.map(({ mean }) => Math.fround(mean)),
    ]),
  };
}
