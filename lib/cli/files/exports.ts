/**
 * The files beside the table: the summary as JSON, tensors, and the Python script.
 *
 * @module
 */
import type { CheckSummary } from "../../attribution/trust/check.ts";
import type { VerifySummary } from "../../attribution/trust/verify.ts";
import type { AttributeRequest } from "../commands/explain/attribute.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import { writeChunks } from "../screen/write_table.ts";

/** What a run was compared with. */
export interface Checks {
  readonly check: CheckSummary | undefined;
  readonly verify?: VerifySummary;
}

/** Writes those of the files that are asked for. */
export async function writeExports(
  { summary, saveTensors, emitPython: script }: Pick<AttributeRequest, "summary" | "saveTensors" | "emitPython">,
  result: Attribution,
  checks: Checks,
): Promise<void> {
  if (script !== undefined) {
    const { emitPython } = await import(
      new URL("../../attribution/result/emit_python.ts", import.meta.url).href
    ) as typeof import("../../attribution/result/emit_python.ts");
    await writeChunks([emitPython(result)], script);
  }
  if (saveTensors !== undefined) {
    const { attributionTensors } = await import(
      new URL("../../attribution/result/save_tensors.ts", import.meta.url).href
    ) as typeof import("../../attribution/result/save_tensors.ts");
    await writeChunks(attributionTensors(result), saveTensors);
  }
  if (summary !== undefined) {
    await writeChunks([JSON.stringify(summaryJson(result, checks), null, 2) + "\n"], summary);
  }
}

/** The summary and what only the command line adds to it. */
function summaryJson(result: Attribution, { check, verify }: Checks): unknown {
  const tracked = trackedHooks(result);
  return {
    ...result.summary(),
    excluded_positions: excludedPositions(result),
    ...(tracked.length === 0 ? {} : { tracked }),
    ...(check === undefined ? {} : { check }),
    ...(verify === undefined ? {} : { verify }),
  };
}

/** The positions at which the SAEs were left out; the same for all. */
export function excludedPositions({ parts: { saes } }: Attribution): number[] {
  const [first] = saes.values();
  return first === undefined ? [] : [...first.run.excluded].sort((a, b) => a - b);
}

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
