/**
 * Tracked model hooks in figures.
 *
 * @module
 */
import type { Attribution } from "../../attribution/result/result.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";

/** One tracked hook in the summary; keys are those of the JSON. */
export interface TrackedHook {
  readonly hook: string;
  /** `[position, …]` */
  readonly dims: readonly number[];
  readonly attribution_sum: number;
  /** Over all but the first dimension. */
  readonly attribution_sum_per_position: readonly number[] | null;
  readonly attribution_norm: number;
  readonly activation_norm: number;
  readonly gradient_norm: number;
}

/** The tracked hooks of a run. */
export function trackedHooks({ modelAttributions, modelActivations, modelGrads, tokens }: Attribution): TrackedHook[] {
  return Object.entries(modelAttributions).map(([hook, { dims, data }]) => ({
    hook,
    dims,
    attribution_sum: sum(data),
    attribution_sum_per_position: dims[0] === tokens.length ? sumPerRow({ dims, data }) : null,
    attribution_norm: norm(data),
    activation_norm: norm(modelActivations[hook].data),
    gradient_norm: norm(modelGrads[hook].data),
  }));
}

function sum(values: Float32Array): number {
  let total = 0;
  for (const x of values) total += x;
  return total;
}

/** Masked attention scores, which are −∞, are left out. */
function norm(values: Float32Array): number {
  let squares = 0;
  for (const x of values) if (Number.isFinite(x)) squares += x * x;
  return Math.sqrt(squares);
}

function sumPerRow({ dims: [rows], data }: FloatTensor): number[] {
  const width = data.length / rows;
  return Array.from({ length: rows }, (_, r) => sum(data.subarray(r * width, (r + 1) * width)));
}
