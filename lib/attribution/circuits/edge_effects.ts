/**
 * Direct effects: what everything that is written to the residual stream adds to one number further up, on the ways that
 * pass through no other SAE, with attention patterns and norm scales as they were. Then the network between is linear
 * (but for MLPs without a transcoder, which their gradient stands for), and an effect is vector · gradient.
 *
 * Method: Marks et al. 2024 (arXiv 2403.19647) with the frozen scales of Ameisen et al. 2025 (Circuit Tracing). It is not a
 * total effect: what reaches the number through another SAE's features is theirs.
 *
 * @module
 */
import type { Processing } from "../../model/architecture.ts";
import { input, matMul, reachable, swapLast } from "../../graph/mod.ts";
import type { ForwardState } from "../../model/stages/chain.ts";
import { findHook, hookNames } from "../../model/hooks.ts";
import type { Model } from "../../model/model.ts";
import { stageGraph } from "../../model/stages/stage_sessions.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import { inputGradient } from "../../sae/normalization.ts";
import type { Sae } from "../../sae/sae.ts";
import { replaceHead, type SaeRun, selectHead, splitHooks } from "../run/sae_hooks.ts";
import { runWithSaes } from "../run/run_prompts.ts";
import { gradientsFrom, residPre } from "./edge_gradients.ts";
import { laterSource, saeSource, type Source, type SourceNode, wholeSource } from "./edge_sources.ts";

/** A forward pass and everything that was written in it. */
export interface DirectRun {
  readonly model: Model;
  /** Token ids. */
  readonly tokens: readonly number[];
  /** The form of the model. */
  readonly processing: Processing;
  /** The forward pass. */
  readonly state: ForwardState;
  /** By the hook that the SAE writes, in the order of the computation. */
  readonly saeRuns: ReadonlyMap<string, SaeRun>;
  /** All nodes: the weights of effects are in their order. */
  readonly nodes: readonly SourceNode[];
  /** Hooks whose values are constants for everything that comes after. */
  readonly blocked: readonly string[];
  /** Their values' parts. */
  readonly sources: readonly Source[];
}

/** What a {@linkcode DirectRun} is made from. */
export interface DirectRequest {
  /** Token ids, BOS included if there is one. */
  readonly tokens: readonly number[];
  /** One per hook. */
  readonly saes: readonly Sae[];
  /** The form of the model. */
  readonly processing: Processing;
  /** Positions that the SAEs leave alone. */
  readonly excluded: ReadonlySet<number>;
  /** Hooks without an SAE that are all error: they block as an SAE does, and their value is one node per position. */
  readonly unexplained?: readonly string[];
  /** Hooks without an SAE at which targets read. */
  readonly targetHooks?: readonly string[];
}

/** A number further up: its gradient at one position of a hook's value. */
export interface Target {
  readonly position: number;
  /** Of what its SAE sees of the hook's value, or of all of it, `[d]`. */
  readonly gradient: Float32Array;
}

export interface FeatureTarget extends Target {
  /** Its index in the SAE. */
  readonly feature: number;
  /** z · W_enc + b_enc, before any activation function, threshold or top-k. */
  readonly preActivation: number;
}

/** Positions of all copies of the prompt that go back together: enough to keep the matrix products busy. */
const ROWS_AT_ONCE = 1024;
const MOST_COPIES = 64;

/**
 * Runs the model once and takes apart what was written.
 *
 * @throws {RangeError} if an SAE does not fit the model or the others
 */
export async function runDirect(model: Model, request: DirectRequest): Promise<DirectRun> {
  const { tokens, processing, excluded, unexplained = [], targetHooks = [] } = request;
  const order = hookNames(model.architecture);
  const saes = [...request.saes].sort((a, b) => order.indexOf(a.hookOut) - order.indexOf(b.hookOut));
  const embedding = Object.keys(model.architecture.embed(processing).hooks);
  const { state, saeRuns } = await runWithSaes(model, {
    tokens,
    saes,
    processing,
    excluded,
    includeErrorTerm: true,
    trackModelHooks: [
      ...new Set([
        ...embedding,
        ...unexplained,
        ...targetHooks,
        ...saes.flatMap(({ hookIn, hookOut }) =>
          [hookIn, residPre(model, hookOut)].filter((hook) => hook !== undefined)
        ),
      ]),
    ],
    withGradients: true,
    rows: [tokens.length - 1],
  });
  const sources: Source[] = [];
  const nodes: SourceNode[] = [];
  const add = (source: Omit<Source, "indices">): Source => {
    const whole = { ...source, indices: source.nodes.map((node) => nodes.push(node) - 1) };
    sources.push(whole);
    return whole;
  };
  for (const hook of embedding) add(wholeSource(hook, hook === "hook_embed" ? "token" : "position", state));
  for (const hook of unexplained) add(wholeSource(hook, "error", state));
  for (const run of saeRuns.values()) {
    const { hooksOut, config } = run.sae;
    const [written, ...later] = splitHooks(await run.sae.contributions(run.encoded), hooksOut.length, config.dOut);
    const own = add(saeSource(run, written));
    later.forEach((part, i) => {
      sources.push(laterSource(own, part, hooksOut[i + 1], saeRuns.get(hooksOut[i + 1])?.sae));
    });
  }
  return {
    model,
    tokens,
    processing,
    state,
    saeRuns,
    sources,
    nodes,
    blocked: [...unexplained, ...saeRuns.keys()],
  };
}

/** Features of an SAE as targets. */
export async function featureTargets(
  { saeRuns }: DirectRun,
  hook: string,
  wanted: readonly { readonly position: number; readonly feature: number }[],
): Promise<FeatureTarget[]> {
  const { sae, encoded: { normalized } } = saeRuns.get(hook)!;
  const { dIn } = sae.config;
  const features = [...new Set(wanted.map(({ feature }) => feature))];
  const { weights, biases } = await sae.encoders(features);
  const at = new Map(features.map((feature, i) => [feature, i]));
  return wanted.map(({ position, feature }) => {
    const i = at.get(feature)!;
    const column = weights.subarray(i * dIn, (i + 1) * dIn);
    const z = normalized.input.subarray(position * dIn, (position + 1) * dIn);
    return {
      position,
      feature,
      gradient: inputGradient(column, position, normalized, sae.config),
      preActivation: column.reduce((sum, w, d) => sum + w * z[d], 0) + biases[i],
    };
  });
}

/**
 * Direct effects of all nodes on targets.
 *
 * @param hook where all targets read
 * @param owner the SAE that reads there, whose own output is not a cause of what it reads
 * @returns for each target, a weight for each of the run's nodes
 */
export async function directEffects(
  run: DirectRun,
  hook: string,
  targets: readonly Target[],
  owner?: Sae,
): Promise<Float32Array[]> {
  const copies = Math.max(1, Math.min(MOST_COPIES, Math.floor(ROWS_AT_ONCE / run.tokens.length)));
  const sources = run.sources.filter((source) =>
    (!owner || source.sae !== owner) && isUpstream(run.model, source.hook, hook)
  );
  const hooks = [...new Set(sources.map((source) => source.hook))];
  const blocked = run.blocked.filter((name) => name !== owner?.hookOut);
  const effects: Float32Array[] = [];
  for (let start = 0; start < targets.length; start += copies) {
    const batch = targets.slice(start, start + copies);
    const seed = seedOf(run, hook, batch, owner);
    const { gradients, skips } = await gradientsFrom(run, hook, seed, hooks, blocked);
    const weights = batch.map(() => new Float32Array(run.nodes.length));
    for (const source of sources) {
      await multiply(run, source, gradients.get(source.hook)!, weights, skips.get(source.hook));
    }
    effects.push(...weights);
  }
  return effects;
}

/** The targets' gradients side by side, `[copies, position, …]`. */
function seedOf(
  { state }: DirectRun,
  hook: string,
  targets: readonly Target[],
  owner: Sae | undefined,
): FloatTensor {
  const { dims: [, n, ...rest], data: { length } } = state.values.get(hook)!;
  const size = length / n;
  const data = new Float32Array(targets.length * length);
  targets.forEach(({ position, gradient }, copy) => {
    const row = { dims: [1, 1, ...rest], data: new Float32Array(size) };
    data.set(owner ? replaceHead(owner, row, gradient).data : gradient, (copy * n + position) * size);
  });
  return { dims: [targets.length, n, ...rest], data };
}

/** Vector · gradient, position by position, for every target of a batch. */
async function multiply(
  { model: { runtime }, state }: DirectRun,
  { sae, nodes, indices, offsets, vectors, d }: Source,
  gradient: FloatTensor,
  weights: readonly Float32Array[],
  skip: Float32Array | undefined,
): Promise<void> {
  const n = offsets.length - 1;
  const copies = weights.length;
  const g = sae ? selectHead(sae, gradient) : gradient.data;
  const session = await runtime.session({
    effects: matMul(input("gradient", ["copy", d]), swapLast(input("written", ["node", d]))),
  });
  for (let position = 0; position < n; position++) {
    const [start, end] = [offsets[position], offsets[position + 1]];
    const at = gatherCopies(g, copies, n, d, position);
    if (at.every((x) => x === 0)) continue;
    const written = { dims: [end - start, d], data: vectors.subarray(start * d, end * d) };
    const effects = (await session.run({ gradient: { dims: [copies, d], data: at }, written })).effects.data;
    for (let copy = 0; copy < copies; copy++) {
      // A feature may write at several hooks.
      for (let i = start; i < end; i++) {
        weights[copy][indices[i]] += effects[copy * (end - start) + i - start] as number;
      }
    }
    const biasAt = nodes.slice(start, end).findIndex(({ kind }) => kind === "bias");
    if (!skip || biasAt < 0) continue;
    // What goes past the features is not a constant: it has causes of its own, to which it has been attributed.
    const x = state.values.get(sae!.hookIn)!.data;
    const { dIn } = sae!.config;
    const bias = indices[start + biasAt];
    for (let copy = 0; copy < copies; copy++) {
      for (let i = 0; i < dIn; i++) {
        weights[copy][bias] -= skip[(copy * n + position) * dIn + i] * x[position * dIn + i];
      }
    }
  }
}

function gatherCopies(g: Float32Array, copies: number, n: number, d: number, position: number): Float32Array {
  const at = new Float32Array(copies * d);
  for (let copy = 0; copy < copies; copy++) {
    at.set(g.subarray((copy * n + position) * d, (copy * n + position + 1) * d), copy * d);
  }
  return at;
}

/** Whether what is written at one hook can show at another (the same hook included). */
export function isUpstream({ architecture }: Model, cause: string, effect: string): boolean {
  const [a, b] = [findHook(architecture, cause), findHook(architecture, effect)];
  if (a.stage !== b.stage) return a.stage < b.stage;
  const processing = architecture.defaultProcessing;
  const { hooks } = stageGraph(architecture, { stage: a.stage, processing, selectRows: false });
  return reachable([hooks[b.local]]).includes(hooks[a.local]);
}
