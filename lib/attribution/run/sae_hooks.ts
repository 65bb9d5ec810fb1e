/**
 * How SAEs sit at a model's hooks: which fit, what they see there, and where they are left out.
 *
 * @module
 */
import { reachable, type Value } from "../../graph/mod.ts";
import { findHook } from "../../model/hooks.ts";
import type { Model } from "../../model/model.ts";
import { stageGraph } from "../../model/stages/stage_sessions.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { Encoded, Sae } from "../../sae/sae.ts";

/** What an SAE saw and made of it. */
export interface SaeRun {
  /** The SAE. */
  readonly sae: Sae;
  /**
   * The hook's value before the SAE, `[row, d_out]` flattened over heads (or its one head): the notebook's `sae_in`.
   * A transcoder's is the value where it writes.
   */
  readonly saeIn: Float32Array;
  /** Its activations, and how its output goes back. */
  readonly encoded: Encoded;
  /** x̂, `[row, d_out]`. */
  readonly saeOut: Float32Array;
  /** Positions where the value passed untouched: no features, x̂ = x. */
  readonly excluded: ReadonlySet<number>;
}

/**
 * Checks that SAEs fit a model.
 *
 * @throws {RangeError} on an unknown hook, a size or head that does not fit, a transcoder that reads what depends on its
 * output, two SAEs that write one hook, or a cross-layer transcoder of which a layer is missing
 */
export function checkSaes(model: Model, saes: readonly Sae[]): void {
  const seen = new Set<string>();
  for (const { hookIn, hookOut, config } of saes) {
    if (seen.has(hookOut)) throw new RangeError(`Two SAEs write ${hookOut}: give one per hook`);
    seen.add(hookOut);
    const read = findHook(model.architecture, hookIn);
    const written = findHook(model.architecture, hookOut);
    const hooks = stageHooks(model, written.stage);
    const hooksIn = read.stage === written.stage ? hooks : stageHooks(model, read.stage);
    const [valueIn, valueOut] = [hooksIn[read.local], hooks[written.local]];
    for (
      const [hook, value, d, name] of [
        [hookIn, valueIn, config.dIn, "d_in"],
        [hookOut, valueOut, config.dOut, "d_out"],
      ] as const
    ) {
      const size = hookSize(hook, value, config.hookHeadIndex);
      if (size !== d) throw new RangeError(`The SAE's ${name} is ${d}, but ${hook} has ${size} numbers per position`);
    }
    if (read.stage > written.stage || (valueIn !== valueOut && reachable([valueIn]).includes(valueOut))) {
      throw new RangeError(`A transcoder cannot read ${hookIn}, which comes after ${hookOut}, where it writes`);
    }
  }
  for (const sae of saes) checkLayers(sae, saes);
}

/** What a cross-layer transcoder writes at a hook is the sum over its layers, and a feature writes at many hooks. */
function checkLayers({ config: { crossLayer }, hookOut, location }: Sae, saes: readonly Sae[]): void {
  const missing = crossLayer?.hooksOut.filter((hook) =>
    !saes.some((sae) => sae.hookOut === hook && sae.location === location && sae.config.crossLayer !== undefined)
  );
  if (missing === undefined || missing.length === 0) return;
  throw new RangeError(
    `The SAE at ${hookOut} is a layer of a cross-layer transcoder, whose layers at ${
      missing.join(", ")
    } are missing: ` +
      `give all that loadSaes opens (in ${location})`,
  );
}

/**
 * Numbers per position at a hook, heads side by side; undefined where it has no value for each.
 *
 * @throws {RangeError} if there is no such hook
 */
export function hookWidth(model: Model, hook: string): number | undefined {
  const { stage, local } = findHook(model.architecture, hook);
  return hookSize(hook, stageHooks(model, stage)[local]);
}

/** The values of a stage's hooks. */
function stageHooks({ architecture }: Model, stage: number): Readonly<Record<string, Value>> {
  return stageGraph(architecture, { stage, processing: architecture.defaultProcessing, selectRows: false }).hooks;
}

/** Numbers per position at a hook, heads flattened, or of one head. */
function hookSize(name: string, { shape: [, position, ...rest] }: Value, head?: number): number | undefined {
  if (position !== "position") return undefined;
  if (head === undefined) return rest.reduce<number>((a, b) => a * (b as number), 1);
  const [nHeads, dHead] = rest as number[];
  if (dHead === undefined) throw new RangeError(`The SAE is for head ${head}, but ${name} has no heads`);
  if (head >= nHeads) throw new RangeError(`The SAE is for head ${head}, but ${name} has ${nHeads} heads, from 0`);
  return dHead;
}

/** What an SAE sees of a hook's value: all of it, heads flattened, or its one head. */
export function selectHead({ config: { hookHeadIndex: head } }: Sae, { dims, data }: FloatTensor): Float32Array {
  if (head === undefined) return data;
  const [nHeads, dHead] = dims.slice(-2);
  const seen = new Float32Array(data.length / nHeads);
  for (let r = 0; r < seen.length / dHead; r++) {
    const from = (r * nHeads + head) * dHead;
    seen.set(data.subarray(from, from + dHead), r * dHead);
  }
  return seen;
}

/** A hook's value with another value of what the SAE sees of it. */
export function replaceHead(
  { config: { hookHeadIndex: head } }: Sae,
  { dims, data }: FloatTensor,
  seen: Float32Array,
): FloatTensor {
  if (head === undefined) return { dims, data: seen };
  const [nHeads, dHead] = dims.slice(-2);
  const whole = data.slice();
  for (let r = 0; r < seen.length / dHead; r++) {
    whole.set(seen.subarray(r * dHead, (r + 1) * dHead), (r * nHeads + head) * dHead);
  }
  return { dims, data: whole };
}

/** Rows of several parts side by side, `[row, count · d]`, as that many matrices `[row, d]`. */
export function splitHooks(data: Float32Array, count: number, d: number): Float32Array[] {
  if (count === 1) return [data];
  const rows = data.length / count / d;
  return Array.from({ length: count }, (_, part) => {
    const matrix = new Float32Array(rows * d);
    for (let r = 0; r < rows; r++) {
      const from = (r * count + part) * d;
      matrix.set(data.subarray(from, from + d), r * d);
    }
    return matrix;
  });
}

/** Matrices `[row, d]` side by side, `[row, count · d]`. */
export function joinHooks(parts: readonly Float32Array[], d: number): Float32Array {
  if (parts.length === 1) return parts[0];
  const data = new Float32Array(parts.length * parts[0].length);
  parts.forEach((matrix, part) => {
    for (let r = 0; r < matrix.length / d; r++) {
      data.set(matrix.subarray(r * d, (r + 1) * d), (r * parts.length + part) * d);
    }
  });
  return data;
}
