/**
 * Which prompts run in one pass.
 *
 * @module
 */
import type { Model } from "../../model/model.ts";
import type { RunPrompt } from "./run_prompts.ts";

/** The most positions in one pass, padding included: more take memory and gain nothing. */
const POSITIONS = 1024;
/** The most bytes of logits, if all are asked for. */
const LOGIT_BYTES = 64 * 2 ** 20;
/**
 * Lengths go together that have as many whole groups of so many positions. Then a sum over positions, which is done in
 * vectors of four, adds the same numbers in the same order whatever is padded: to the last bit what it is for a prompt
 * alone (in WebAssembly; other devices round in other ways).
 */
const VECTOR = 4;

/**
 * Prompts in batches of nearly the same lengths; which go together depends on them alone.
 *
 * @returns indices, the shortest prompts first
 */
export function batchesOf(
  { architecture: { config: { dVocab } } }: Pick<Model, "architecture">,
  prompts: readonly Pick<RunPrompt, "tokens" | "rows">[],
): number[][] {
  const length = (i: number): number => prompts[i].tokens.length;
  const group = (i: number): number => Math.floor(length(i) / VECTOR);
  const batches: number[][] = [];
  let rows = 0;
  for (const i of [...prompts.keys()].sort((a, b) => length(a) - length(b) || a - b)) {
    const more = prompts[i].rows.length;
    const batch = batches.at(-1);
    const fits = batch !== undefined && group(batch[0]) === group(i) && (batch.length + 1) * length(i) <= POSITIONS &&
      (rows + more) * dVocab * 4 <= LOGIT_BYTES;
    if (fits) batch.push(i);
    else batches.push([i]);
    rows = fits ? rows + more : more;
  }
  return batches;
}
