/**
 * Gradients from one hook down to others, with SAEs' outputs, attention patterns and norm scales held constant.
 *
 * @module
 */
import type { ForwardState } from "../../model/stages/chain.ts";
import { findHook } from "../../model/hooks.ts";
import type { Model } from "../../model/model.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { Sae } from "../../sae/sae.ts";
import { findArchitecture } from "../../sae/architectures/mod.ts";
import { type SaeRun, selectHead } from "../run/sae_hooks.ts";

/** What gradients go back over. */
export interface BackwardRun {
  readonly model: Model;
  readonly state: ForwardState;
  readonly saeRuns: ReadonlyMap<string, SaeRun>;
}

/** What came back. */
export interface DirectGradients {
  /** By hook, `[copies, position, …]`. */
  readonly gradients: ReadonlyMap<string, FloatTensor>;
  /** By the hook that a transcoder with a skip connection writes: what took that way, at its input, `[row, d_in]`. */
  readonly skips: ReadonlyMap<string, Float32Array>;
}

/** Frozen. */
const STOP = ["attention_pattern", "normalizer_scale"] as const;

/** Where the block begins in which a hook lies; undefined outside of blocks. */
export function residPre({ architecture }: Model, hook: string): string | undefined {
  const { stage } = findHook(architecture, hook);
  return stage === 0 || stage > architecture.config.nLayers ? undefined : `blocks.${stage - 1}.hook_resid_pre`;
}

/**
 * Gradients at hooks from that at another.
 *
 * A transcoder's skip connection passes the gradient on: it is taken at the transcoder's output, and begins again at its
 * input, together with what has arrived at that block's input by then.
 *
 * @param blocked hooks whose values are constants
 */
export async function gradientsFrom(
  { model, state, saeRuns }: BackwardRun,
  hook: string,
  seed: FloatTensor,
  wanted: readonly string[],
  blocked: readonly string[],
): Promise<DirectGradients> {
  const stageOf = (name: string): number => findHook(model.architecture, name).stage;
  const gradients = new Map<string, FloatTensor>();
  const skips = new Map<string, Float32Array>();
  const go = async (
    seeds: ReadonlyMap<string, FloatTensor>,
    names: readonly string[],
    cut?: string,
  ): Promise<ReadonlyMap<string, FloatTensor>> => {
    const stopHooks = cut === undefined ? blocked : [...blocked, cut];
    const found = await model.chain.backward(state, seeds, names, { stop: STOP, stopHooks: [...new Set(stopHooks)] });
    for (const name of names) {
      if (name !== cut) gradients.set(name, sum(gradients.get(name), found.get(name)!));
    }
    return found;
  };
  let seeds: ReadonlyMap<string, FloatTensor> = new Map([[hook, seed]]);
  let rest = wanted;
  for (const sae of skipping(saeRuns, wanted).sort((a, b) => stageOf(b.hookOut) - stageOf(a.hookOut))) {
    const stage = stageOf(sae.hookOut);
    const cut = residPre(model, sae.hookOut)!;
    const found = await go(seeds, [...rest.filter((name) => stageOf(name) >= stage && name !== cut), cut], cut);
    const past = (await sae.skipGradient(model.runtime, selectHead(sae, found.get(sae.hookOut)!)))!;
    skips.set(sae.hookOut, past);
    const { dims: [, ...dims] } = state.values.get(sae.hookIn)!;
    const atInput = { dims: [seed.dims[0], ...dims], data: past };
    seeds = new Map([[cut, found.get(cut)!]]);
    seeds = new Map([...seeds, [sae.hookIn, sum(seeds.get(sae.hookIn), atInput)]]);
    rest = rest.filter((name) => stageOf(name) <= stage);
  }
  if (rest.length > 0) await go(seeds, rest);
  return { gradients, skips };
}

/** Transcoders with a skip connection, among those that write the hooks. */
function skipping(saeRuns: ReadonlyMap<string, SaeRun>, hooks: readonly string[]): Sae[] {
  const saes = hooks.map((hook) => saeRuns.get(hook)?.sae).filter((sae) => sae !== undefined);
  return saes.filter(({ config }) => findArchitecture(config.architecture).skip);
}

function sum(a: FloatTensor | undefined, b: FloatTensor): FloatTensor {
  return a ? { dims: b.dims, data: b.data.map((x, i) => x + a.data[i]) } : b;
}
