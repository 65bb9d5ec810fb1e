/**
 * One SAE on the rows of several prompts at once.
 *
 * @module
 */
import type { Runtime } from "../runtime/runtime.ts";
import { findArchitecture } from "./architectures/mod.ts";
import type { Encoded, Sae } from "./sae.ts";
import { rowsOf } from "./sparse.ts";

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
  const all = new Float32Array(prompts.reduce((sum, { length }) => sum + length, 0));
  const starts: number[] = [0];
  for (const rows of prompts) {
    all.set(rows, starts[starts.length - 1] * dIn);
    starts.push(starts[starts.length - 1] + rows.length / dIn);
  }
  const encoded = await sae.encode(runtime, all);
  return prompts.map((_, i) => encodedRows(encoded, starts[i], starts[i + 1]));
}

/** Rows `start` to before `end` of what was encoded. */
function encodedRows({ activations, normalized, ...rest }: Encoded, start: number, end: number): Encoded {
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
