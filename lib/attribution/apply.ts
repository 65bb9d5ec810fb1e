/**
 * Running a model with SAEs in it: the notebook's `apply_saes_and_run`.
 *
 * @module
 */
import type { Processing } from "../../models/family.ts";
import type { ForwardState, Replacement } from "../model/chain.ts";
import { findHook } from "../model/hooks.ts";
import type { Model } from "../model/model.ts";
import type { FloatTensor } from "../runtime/tensor.ts";
import type { Encoded, Sae } from "../sae/sae.ts";

/** What an SAE saw and made of it. */
export interface SaeRun {
  readonly sae: Sae;
  /** The hook's value before the SAE, `[row, d_out]` flattened over heads: the notebook's `sae_in`. */
  readonly saeIn: Float32Array;
  readonly encoded: Encoded;
  /** x̂, `[row, d_out]`. */
  readonly saeOut: Float32Array;
}

/** A forward pass with SAEs. */
export interface RunWithSaes {
  readonly state: ForwardState;
  /** By the hook that the SAE writes. */
  readonly saeRuns: ReadonlyMap<string, SaeRun>;
}

/** Options of {@linkcode runWithSaes}. */
export interface RunRequest {
  readonly tokens: readonly number[];
  readonly saes: readonly Sae[];
  readonly processing: Processing;
  /** With it, the hook's value stays what it was and the output cannot change. */
  readonly includeErrorTerm: boolean;
  readonly trackModelHooks: readonly string[];
  /** Gradients will be asked for at the SAEs' and the tracked hooks. */
  readonly withGradients: boolean;
  /** Positions at which the final norm's output is wanted. */
  readonly rows: readonly number[];
}

/**
 * Checks that SAEs fit a model.
 *
 * @throws {RangeError} on an unknown hook, a size that does not fit, or two SAEs that write one hook
 */
export function checkSaes(model: Model, saes: readonly Sae[]): void {
  const seen = new Set<string>();
  for (const { hookIn, hookOut, config } of saes) {
    if (seen.has(hookOut)) throw new RangeError(`Two SAEs write ${hookOut}: give one per hook`);
    seen.add(hookOut);
    for (const [hook, d, name] of [[hookIn, config.dIn, "d_in"], [hookOut, config.dOut, "d_out"]] as const) {
      const size = hookSize(model, hook);
      if (size !== d) throw new RangeError(`The SAE's ${name} is ${d}, but ${hook} has ${size} numbers per position`);
    }
  }
}

/** Numbers per position at a hook, heads flattened. */
function hookSize(model: Model, name: string): number | undefined {
  const { architecture } = model;
  const { stage, local } = findHook(architecture, name);
  const options = { processing: architecture.defaultProcessing, selectRows: false };
  const graph = stage === 0
    ? architecture.embed(options.processing)
    : stage > architecture.config.nLayers
    ? architecture.final(options.processing)
    : architecture.block(stage - 1, options);
  const [, position, ...rest] = graph.hooks[local].shape;
  if (position !== "position") return undefined;
  return rest.reduce<number>((a, b) => a * (b as number), 1);
}

/** Runs the model with SAEs at their hooks. */
export async function runWithSaes(model: Model, request: RunRequest): Promise<RunWithSaes> {
  const { saes, tokens, processing, includeErrorTerm, trackModelHooks, rows } = request;
  checkSaes(model, saes);
  const saeRuns = new Map<string, SaeRun>();
  const record = async (sae: Sae, values: ReadonlyMap<string, FloatTensor>): Promise<SaeRun> => {
    const encoded = await sae.encode(model.runtime, values.get(sae.hookIn)!.data);
    const run = { sae, saeIn: values.get(sae.hookOut)!.data, encoded, saeOut: await sae.decode(encoded) };
    saeRuns.set(sae.hookOut, run);
    return run;
  };
  const replacements = includeErrorTerm ? [] : saes.map((sae): Replacement => ({
    hook: sae.hookOut,
    reads: [sae.hookIn],
    async replace(values) {
      const { saeOut } = await record(sae, values);
      return { dims: values.get(sae.hookOut)!.dims, data: saeOut };
    },
  }));
  const hooks = [...saes.map(({ hookOut }) => hookOut), ...trackModelHooks];
  const state = await model.chain.forward({
    tokens,
    processing,
    rows,
    reads: [...trackModelHooks, ...saes.flatMap(({ hookIn, hookOut }) => [hookIn, hookOut])],
    replacements,
    gradientsFrom: request.withGradients ? hooks : [],
  });
  if (includeErrorTerm) { for (const sae of saes) await record(sae, state.values); }
  return { state, saeRuns };
}
