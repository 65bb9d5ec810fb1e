/**
 * Running a model with SAEs at their hooks, over one prompt or over several in one pass.
 *
 * @module
 */
import type { Processing } from "../../model/architecture.ts";
import type { ForwardState, Replacement } from "../../model/stages/chain.ts";
import { findHook } from "../../model/hooks.ts";
import type { Model } from "../../model/model.ts";
import { firstNonFinite, type FloatTensor } from "../../runtime/tensor.ts";
import { encodePrompts } from "../../sae/encode_prompts.ts";
import type { Encoded, Sae } from "../../sae/sae.ts";
import { withoutRows } from "../../sae/sparse.ts";
import { checkSaes, replaceHead, type SaeRun, selectHead, splitHooks } from "./sae_hooks.ts";

/** A forward pass with SAEs. */
export interface RunWithSaes {
  /** The forward pass. */
  readonly state: ForwardState;
  /** By the hook that the SAE writes. */
  readonly saeRuns: ReadonlyMap<string, SaeRun>;
}

/** A forward pass with SAEs over several prompts. */
export interface RunOverPrompts {
  /** The forward pass over all. */
  readonly state: ForwardState;
  /** For every prompt, by the hook that the SAE writes. */
  readonly saeRuns: readonly ReadonlyMap<string, SaeRun>[];
}

/** A prompt to run. */
export interface RunPrompt {
  /** Token ids, BOS included if there is one. */
  readonly tokens: readonly number[];
  /** Positions at which the final norm's output is wanted. */
  readonly rows: readonly number[];
  /** Positions that the SAEs leave alone. */
  readonly excluded?: ReadonlySet<number>;
}

/** How prompts are run. */
export interface RunSettings {
  /** One per hook. */
  readonly saes: readonly Sae[];
  /** The form of the model. */
  readonly processing: Processing;
  /** With it, the hook's value stays what it was and the output cannot change. */
  readonly includeErrorTerm: boolean;
  /** Hooks whose values are wanted too. */
  readonly trackModelHooks: readonly string[];
  /** Gradients will be asked for at the SAEs' and the tracked hooks. */
  readonly withGradients: boolean;
  /** Further hooks at which gradients will be asked for. */
  readonly gradientsFrom?: readonly string[];
}

/** Options of {@linkcode runWithSaes}. */
export type RunRequest = RunPrompt & RunSettings;

/** Runs the model with SAEs at their hooks. */
export async function runWithSaes(model: Model, request: RunRequest): Promise<RunWithSaes> {
  const { state, saeRuns: [saeRuns] } = await runPromptsWithSaes(model, [request], request);
  return { state, saeRuns };
}

/** Runs the model with SAEs on several prompts in one pass: each as it would be alone, but for rounding. */
export async function runPromptsWithSaes(
  model: Model,
  prompts: readonly RunPrompt[],
  settings: RunSettings,
): Promise<RunOverPrompts> {
  const { saes, processing, includeErrorTerm, trackModelHooks } = settings;
  checkSaes(model, saes);
  const recorder = new Recorder(model, prompts);
  const replacements = includeErrorTerm ? [] : saes.map((sae): Replacement => ({
    hook: sae.hookOut,
    reads: [sae.hookIn],
    async replace(values) {
      const runs = await recorder.record(sae, values);
      const value = values.get(sae.hookOut)!;
      return replaceHead(sae, value, padded(selectHead(sae, value), prompts, runs.map(({ saeOut }) => saeOut)));
    },
  }));
  const hooks = [...saes.map(({ hookOut }) => hookOut), ...trackModelHooks];
  const state = await model.chain.forward({
    prompts: prompts.map(({ tokens }) => tokens),
    processing,
    rows: prompts.map(({ rows }) => rows),
    reads: [...trackModelHooks, ...saes.flatMap(({ hookIn, hookOut }) => [hookIn, hookOut])],
    replacements,
    gradientsFrom: settings.withGradients ? [...hooks, ...settings.gradientsFrom ?? []] : [],
  });
  if (includeErrorTerm) { for (const sae of inOrder(model, saes)) await recorder.record(sae, state.values); }
  return { state, saeRuns: recorder.saeRuns };
}

/** Lets SAEs see their hooks' values and keeps what they make of them. */
class Recorder {
  readonly saeRuns: readonly Map<string, SaeRun>[];
  readonly #model: Model;
  readonly #prompts: readonly RunPrompt[];
  /** For every prompt, what layers of cross-layer transcoders write at hooks further up. */
  readonly #later: readonly Map<string, Float32Array>[];

  constructor(model: Model, prompts: readonly RunPrompt[]) {
    this.#model = model;
    this.#prompts = prompts;
    this.saeRuns = prompts.map(() => new Map());
    this.#later = prompts.map(() => new Map());
  }

  /** One SAE on all prompts. */
  async record(sae: Sae, values: ReadonlyMap<string, FloatTensor>): Promise<SaeRun[]> {
    const [read, written] = [sae.hookIn, sae.hookOut].map((hook) =>
      unpadded(selectHead(sae, values.get(hook)!), this.#prompts)
    );
    const encoded = await encodePrompts(sae, this.#model.runtime, read);
    const runs: SaeRun[] = [];
    for (const i of this.#prompts.keys()) runs.push(await this.#recordOne(sae, i, written[i], encoded[i]));
    return runs;
  }

  async #recordOne(sae: Sae, prompt: number, saeIn: Float32Array, everywhere: Encoded): Promise<SaeRun> {
    const { excluded = new Set() } = this.#prompts[prompt];
    const later = this.#later[prompt];
    const encoded = excluded.size === 0 ? everywhere : withoutExcluded(everywhere, saeIn, excluded);
    const [own, ...above] = splitHooks(await sae.decode(encoded), sae.hooksOut.length, sae.config.dOut);
    const fromBelow = later.get(sae.hookOut);
    const saeOut = fromBelow === undefined ? own : own.map((x, i) => x + fromBelow[i]);
    above.forEach((part, i) => {
      const sum = later.get(sae.hooksOut[i + 1]);
      later.set(sae.hooksOut[i + 1], sum === undefined ? part : sum.map((x, j) => x + part[j]));
    });
    const run = { sae, saeIn, encoded, saeOut, excluded };
    checkFinite(run);
    this.saeRuns[prompt].set(sae.hookOut, run);
    return run;
  }
}

/** `[prompt, position, d]` without the positions that only longer prompts have: for each prompt `[position, d]`. */
export function unpadded(data: Float32Array, prompts: readonly Pick<RunPrompt, "tokens">[]): Float32Array[] {
  if (prompts.length === 1) return [data];
  const stride = data.length / prompts.length;
  const d = stride / Math.max(...prompts.map(({ tokens }) => tokens.length));
  return prompts.map(({ tokens }, i) => data.slice(i * stride, i * stride + tokens.length * d));
}

/** The opposite: each prompt's values in their place, and `[prompt, position, d]` as it was elsewhere. */
function padded(
  data: Float32Array,
  prompts: readonly RunPrompt[],
  values: readonly Float32Array[],
): Float32Array {
  if (prompts.length === 1) return values[0];
  const all = data.slice();
  values.forEach((value, i) => all.set(value, i * (data.length / prompts.length)));
  return all;
}

/** An encoding of which some rows pass through: f = 0, x̂ = x, and no gradient reaches the features. */
function withoutExcluded(encoded: Encoded, x: Float32Array, rows: ReadonlySet<number>): Encoded {
  const { activations, normalized } = encoded;
  const d = x.length / activations.rows;
  const [scale, bias] = [normalized.scale.slice(), normalized.bias.slice()];
  for (const r of rows) {
    scale[r] = 0;
    bias.set(x.subarray(r * d, (r + 1) * d), r * d);
  }
  return { ...encoded, activations: withoutRows(activations, rows), normalized: { ...normalized, scale, bias } };
}

/** As the model reaches what they write: a layer's output has parts from the layers below. */
function inOrder({ architecture }: Model, saes: readonly Sae[]): readonly Sae[] {
  if (!saes.some(({ config }) => config.crossLayer !== undefined)) return saes;
  const stage = ({ hookOut }: Sae): number => findHook(architecture, hookOut).stage;
  return saes.toSorted((a, b) => stage(a) - stage(b));
}

function checkFinite({ sae, saeOut }: SaeRun): void {
  const at = firstNonFinite(saeOut);
  if (at < 0) return;
  const position = Math.floor(at / sae.config.dOut);
  throw new Error(
    `The output of the SAE at ${sae.hookOut} is ${
      saeOut[at]
    } at position ${position}: its weights are damaged or overflow`,
  );
}
