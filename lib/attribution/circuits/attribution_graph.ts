/**
 * The attribution graph of a prompt: features of transcoders on every MLP, their errors, the tokens and the most probable
 * next tokens' logits, with their direct effects on each other.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { Processing } from "../../model/architecture.ts";
import type { Model, Token } from "../../model/model.ts";
import type { Sae } from "../../sae/sae.ts";
import type { AttributionOptions } from "../run/attribution_options.ts";
import { directEffects, type DirectRun, featureTargets, runDirect } from "./edge_effects.ts";
import { type Adjacency, nodeInfluence } from "./graph_influence.ts";
import { chooseLogits, LOGIT_CHOICE, type LogitChoice, logitTargets, topHook } from "./graph_logits.ts";
import type { Prediction } from "../run/predict.ts";
import { preparePrompt } from "../run/prompt.ts";
import { PROMPT_RUN_OPTIONS } from "../run/run_options.ts";

/** Options of {@linkcode attributionGraph}; the defaults are circuit-tracer's. */
export interface AttributionGraphOptions extends
  Pick<
    AttributionOptions,
    "prependBos" | "truncate" | "processing" | "processingFlags" | "excludeSpecialTokens"
  >,
  LogitChoice {
  /**
   * Transcoders that write `blocks.L.hook_mlp_out`, at most one per layer, or all layers of a cross-layer transcoder. An
   * MLP without one is all error.
   */
  readonly saes: readonly Sae[];
  /** The most features: those with the most influence; default 7500. */
  readonly maxFeatures?: number;
}

const GRAPH_OPTIONS: OptionKinds<AttributionGraphOptions> = {
  ...LOGIT_CHOICE,
  ...PROMPT_RUN_OPTIONS,
  saes: "list",
  maxFeatures: "count",
};

/** A feature in a graph. */
export interface GraphFeature {
  /** Its transcoder's layer. */
  readonly layer: number;
  /** The token, counted from 0. */
  readonly position: number;
  /** Its index in the transcoder. */
  readonly feature: number;
  /** Its activation. */
  readonly activation: number;
}

/** A target's weights and what they add up to. */
export interface GraphSum {
  /** A feature's pre-activation z · W_enc + b_enc; a logit (before a soft cap) less the vocabulary's mean. */
  readonly value: number;
  /** What no active feature, error or token adds: biases of the model and of the transcoders, embedded positions. */
  readonly bias: number;
}

/** Nodes by index: features by layer, position and index; errors by layer and position; tokens; logits. */
export interface AttributionGraph extends Adjacency {
  /** The prompt as text, BOS included if there is one. */
  readonly prompt: string;
  /** The prompt's tokens. */
  readonly tokens: readonly Token[];
  /** The form of the model. */
  readonly processing: Processing;
  /** The model's layers. */
  readonly nLayers: number;
  /** The features. */
  readonly features: readonly GraphFeature[];
  /** Active features, of which those with little influence may have been left out. */
  readonly nActive: number;
  /** The logits, most probable first. */
  readonly logits: readonly Prediction[];
  /** By target: `value = Σ weights + bias`, unless features were left out, whose weights are missing then. */
  readonly sums: ReadonlyMap<number, GraphSum>;
  /** By layer, its transcoder. */
  readonly saes: ReadonlyMap<number, Sae>;
  /** Layers without one. */
  readonly missing: readonly number[];
}

/** Features looked into before the influences are looked at again, as many as by circuit-tracer's command. */
const BETWEEN_RANKINGS = 1024;

const MLP_OUT = /^blocks\.(\d+)\.hook_mlp_out$/;

/**
 * The attribution graph of a prompt, as circuit-tracer computes it (Hanna & Piotrowski 2025; Ameisen et al. 2025, "Circuit
 * Tracing"): a row for each feature and logit, the direct effects of all features, errors and tokens on it, with
 * attention patterns and norm scales held constant. With a transcoder on every MLP the network between is linear.
 *
 * As in circuit-tracer, the first position has no features and no errors, whatever token stands there, and of an
 * instruction-tuned Gemma 3 the first four; `excludeSpecialTokens` chooses others.
 *
 * @throws {RangeError} on a bad prompt, or an SAE that is not a transcoder from a block to its `hook_mlp_out`
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { attributionGraph } from "./attribution_graph.ts";
 * import { graphScores } from "./graph_influence.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.2.hook_mlp_out");
 * const graph = await attributionGraph(model, " Tiger Woods plays the sport of", { saes: [sae] });
 * console.assert(graph.missing.join() === "0,1,3"); // only one MLP of four has a transcoder
 * console.assert(graphScores(graph).replacement < 1);
 * ```
 */
export async function attributionGraph(
  model: Model,
  prompt: string | readonly number[],
  options: AttributionGraphOptions,
): Promise<AttributionGraph> {
  checkOptions("attributionGraph", options, GRAPH_OPTIONS);
  const { saes } = options;
  const { nLayers } = model.architecture.config;
  const byLayer = new Map(saes.map((sae) => [layerOf(sae), sae]));
  const missing = Array.from({ length: nLayers }, (_, layer) => layer).filter((layer) => !byLayer.has(layer));
  const prepared = await preparePrompt(model, prompt, saes, options);
  const { processing } = prepared;
  const run = await runDirect(model, {
    ...prepared,
    saes,
    excluded: options.excludeSpecialTokens === undefined ? firstPositions(model, saes) : prepared.excluded,
    unexplained: missing.map((layer) => `blocks.${layer}.hook_mlp_out`),
    targetHooks: [topHook(model)],
  });
  try {
    const tokens = await model.describeTokens(prepared.tokens);
    const traced = await trace(run, columnsOf(run, nLayers), options);
    return { ...traced, prompt: promptText(prompt, tokens), tokens, processing, nLayers, saes: byLayer, missing };
  } finally {
    run.state.release();
  }
}

/** What there is to say of a graph's nodes and edges. */
type Traced = Adjacency & Pick<AttributionGraph, "features" | "sums" | "logits" | "nActive">;

/** The rows of the logits, then those of features. */
async function trace(run: DirectRun, columns: Columns, options: AttributionGraphOptions): Promise<Traced> {
  const rows = new Map<number, Float32Array>();
  const sums = new Map<number, GraphSum>();
  const add = (node: number, effects: Float32Array, value: number): void => {
    const row = new Float32Array(columns.n);
    effects.forEach((weight, i) => {
      if (columns.at[i] >= 0) row[columns.at[i]] = weight;
    });
    rows.set(node, row);
    sums.set(node, { value, bias: row.reduce((left, weight) => left - weight, value) });
  };
  const logits = await chooseLogits(run, options);
  const targets = await logitTargets(run, logits);
  const effects = await directEffects(run, topHook(run.model), targets);
  logits.forEach((_, i) => add(columns.n + i, effects[i], targets[i].value));
  const { features } = columns;
  const nTokens = run.tokens.length;
  const whole: Adjacency = {
    nFeatures: features.length,
    nErrors: columns.n - features.length - nTokens,
    nTokens,
    rows,
    probabilities: logits.map(({ probability }) => probability),
  };
  await addFeatures(run, whole, columns, options.maxFeatures ?? 7500, add);
  return { ...withoutUnseen(whole, features, sums), logits, nActive: features.length };
}

/** Tokens decoded alone may lack their spaces: a text is taken as it was given. */
function promptText(prompt: string | readonly number[], tokens: readonly Token[]): string {
  const texts = tokens.map(({ text }) => text);
  if (typeof prompt !== "string") return texts.join("");
  const [first] = tokens;
  return first.isSpecial && !prompt.startsWith(first.text) ? first.text + prompt : prompt;
}

/** @throws {RangeError} if it does not write an MLP's output */
function layerOf({ hookIn, hookOut }: Sae): number {
  const [, layer] = MLP_OUT.exec(hookOut) ?? [];
  if (layer === undefined || hookIn === hookOut || !hookIn.startsWith(`blocks.${layer}.`)) {
    throw new RangeError(
      `An attribution graph is of transcoders from a block to its hook_mlp_out, and one SAE reads ${hookIn} and writes ` +
        `${hookOut}: leave it out, or look at direct effects alone (edges)`,
    );
  }
  return Number(layer);
}

/** What circuit-tracer leaves out: BOS, and of chats with Gemma 3 `<bos><start_of_turn>user\n`. */
function firstPositions({ name, architecture: { family } }: Model, saes: readonly Sae[]): ReadonlySet<number> {
  const names = [name, ...saes.map(({ config }) => config.modelName ?? "")];
  const isTuned = family === "gemma3" && names.some((text) => /-it(@[^/]*)?[/\\]*$/.test(text));
  return new Set(isTuned ? [0, 1, 2, 3] : [0]);
}

/** Where the run's nodes stand in the graph. */
interface Columns {
  /** Nodes before the logits. */
  readonly n: number;
  /** By node of the run; −1 for those that are not nodes of the graph. */
  readonly at: Int32Array;
  readonly features: readonly GraphFeature[];
}

function columnsOf({ nodes, tokens }: DirectRun, nLayers: number): Columns {
  const n = tokens.length;
  const features: GraphFeature[] = [];
  const layers = nodes.map(({ hook }) => Number(MLP_OUT.exec(hook)?.[1]));
  nodes.forEach(({ kind, position, feature, activation }, i) => {
    if (kind === "feature") features.push({ layer: layers[i], position, feature: feature!, activation: activation! });
  });
  let next = 0;
  const at = Int32Array.from(nodes, ({ kind, position }, i) => {
    if (kind === "feature") return next++;
    if (kind === "error") return features.length + layers[i] * n + position;
    return kind === "token" ? features.length + nLayers * n + position : -1;
  });
  return { n: features.length + (nLayers + 1) * n, at, features };
}

/** Rows for all features, or, where there are more than wanted, for those that turn out to matter most. */
async function addFeatures(
  run: DirectRun,
  graph: Adjacency,
  { features }: Columns,
  most: number,
  add: (node: number, effects: Float32Array, value: number) => void,
): Promise<void> {
  const addAll = async (wanted: readonly number[]): Promise<void> => {
    for (const [hook, { sae }] of run.saeRuns) {
      const layer = layerOf(sae);
      const here = wanted.filter((node) => features[node].layer === layer);
      if (here.length === 0) continue;
      const targets = await featureTargets(run, hook, here.map((node) => features[node]));
      const effects = await directEffects(run, sae.hookIn, targets, sae);
      here.forEach((node, i) => add(node, effects[i], targets[i].preActivation));
    }
  };
  const all = features.map((_, i) => i);
  if (all.length <= most) return await addAll(all);
  for (let left = most; left > 0; left -= BETWEEN_RANKINGS) {
    const influence = nodeInfluence(graph);
    const unseen = all.filter((node) => !graph.rows.has(node)).sort((a, b) => influence[b] - influence[a]);
    await addAll(unseen.slice(0, Math.min(left, BETWEEN_RANKINGS)));
  }
}

/** The same without the features that have no row. */
function withoutUnseen(
  graph: Adjacency,
  features: readonly GraphFeature[],
  sums: ReadonlyMap<number, GraphSum>,
): Adjacency & { readonly features: readonly GraphFeature[]; readonly sums: ReadonlyMap<number, GraphSum> } {
  const { rows, nFeatures } = graph;
  const seen = features.map((_, i) => i).filter((i) => rows.has(i));
  if (seen.length === nFeatures) return { ...graph, features, sums };
  const renumbered = new Map(seen.map((old, i) => [old, i]));
  const place = (node: number): number => renumbered.get(node) ?? node - nFeatures + seen.length;
  const shortRows = new Map<number, Float32Array>();
  for (const [node, row] of rows) {
    const short = new Float32Array(row.length - nFeatures + seen.length);
    seen.forEach((old, i) => short[i] = row[old]);
    short.set(row.subarray(nFeatures), seen.length);
    shortRows.set(place(node), short);
  }
  return {
    ...graph,
    nFeatures: seen.length,
    rows: shortRows,
    features: seen.map((i) => features[i]),
    sums: new Map([...sums].map(([node, sum]) => [place(node), sum])),
  };
}
