/**
 * One SAE on the rows of several prompts at once.
 *
 * @module
 */
import type { Runtime } from "../runtime/runtime.ts";
import { joined } from "../runtime/tensor.ts";
import { findArchitecture } from "./architectures/mod.ts";
import type { Encoded, Sae } from "./sae.ts";
import { NonFiniteActivation, rowsOf } from "./sparse.ts";

/**
 * What the SAE makes of each prompt's rows `[row, d_in]`: its weights are read, or multiplied, once for all of them, unless
 * it looks from one position at others.
 */
export async function encodePrompts(
  sae: Sae,
  runtime: Runtime,
  prompts: readonly Float32Array[],
): Promise<Encoded[]> {
  const { config: { dIn, architecture } } = sae;
  if (prompts.length === 1 || findArchitecture(architecture).acrossPositions) {
    const each: Encoded[] = [];
    for (const rows of prompts) each.push(await sae.encode(runtime, rows));
    return each;
  }
  const encoded = await sae.encode(runtime, joined(prompts)).catch((error) => {
    throw error instanceof NonFiniteActivation ? inItsPrompt(error, prompts.map(({ length }) => length / dIn)) : error;
  });
  let end = 0;
  return prompts.map(({ length }) => encodedRows(encoded, end, end += length / dIn));
}

/** The row of all prompts together is a position in one of them. */
function inItsPrompt({ at }: NonFiniteActivation, lengths: readonly number[]): NonFiniteActivation {
  let row = at.row;
  for (const length of lengths) {
    if (row < length) break;
    row -= length;
  }
  return new NonFiniteActivation({ ...at, row });
}

/** Rows `start` to before `end` of what was encoded. */
export function encodedRows({ activations, normalized, ...rest }: Encoded, start: number, end: number): Encoded {
  const part = (values: Float32Array): Float32Array => {
    const d = values.length / activations.rows;
    return values.slice(start * d, end * d);
  };
  const { input, factor, scale, bias } = normalized;
  return {
    ...rest,
    activations: rowsOf(activations, start, end),
    normalized: { input: part(input), factor: part(factor), scale: part(scale), bias: part(bias) },
  };
}
