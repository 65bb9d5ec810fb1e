/**
 * Edges between features: what upstream features, errors, biases and embeddings add directly to a downstream feature.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { Processing } from "../../model/architecture.ts";
import type { Model, Token } from "../../model/model.ts";
import type { Sae } from "../../sae/sae.ts";
import type { Cell, Table } from "../../table/table.ts";
import type { AttributionOptions } from "../run/attribution_options.ts";
import { directEffects, type DirectRun, featureTargets, isUpstream, runDirect } from "./edge_effects.ts";
import type { SourceNode } from "./edge_sources.ts";
import type { Explanations } from "../result/long_table.ts";
import { resolvePosition } from "../positions.ts";
import { preparePrompt } from "../run/prompt.ts";
import { PROMPT_RUN_OPTIONS } from "../run/run_options.ts";

/** A feature at a position. */
export interface HookFeature {
  /** The hook that its SAE writes. */
  readonly hook: string;
  /** From the end when negative. */
  readonly position: number;
  /** Its index in the SAE. */
  readonly feature: number;
}

/** Options of {@linkcode featureEdges}. */
export interface FeatureEdgesOptions extends
  Pick<
    AttributionOptions,
    "prependBos" | "truncate" | "processing" | "processingFlags" | "excludeSpecialTokens"
  > {
  /** SAEs and transcoders, one per hook. */
  readonly saes: readonly Sae[];
  /** Default: the active features at the last position, of every SAE that has another upstream. */
  readonly targets?: readonly HookFeature[];
}

const EDGES_OPTIONS: OptionKinds<FeatureEdgesOptions> = {
  ...PROMPT_RUN_OPTIONS,
  saes: "list",
  targets: "list",
};

/** A feature and what makes it. */
export interface EdgeTarget extends HookFeature {
  /** Its activation; 0 if it is not active. */
  readonly activation: number;
  /** z · W_enc + b_enc, before any activation function, threshold or top-k: `Σ weights + rest`. */
  readonly preActivation: number;
  /** What each of the nodes adds, `[node]`. */
  readonly weights: Float32Array;
  /**
   * What no node adds: the model's biases, b_enc (less b_dec · W_enc where b_dec is subtracted from the input), and for
   * MLPs without a transcoder in between what their gradient leaves of their output.
   */
  readonly rest: number;
}

/** What {@linkcode featureEdges} returns. */
export interface FeatureEdges {
  /** The prompt's tokens. */
  readonly tokens: readonly Token[];
  /** The form of the model. */
  readonly processing: Processing;
  /** Where edges come from. */
  readonly nodes: readonly SourceNode[];
  /** Where they go to. */
  readonly targets: readonly EdgeTarget[];
}

/**
 * Direct effects of upstream features on downstream features' pre-activations.
 *
 * With J the derivative of what the target's SAE reads at position q with respect to what a source's SAE writes at p, in the
 * network with attention patterns and norm scales held constant and all other SAEs' outputs too:
 * `weight = activation · scale · (W_dec[source] · Jᵀ W_enc[:, target])`. An MLP without a transcoder in between passes
 * its gradient on; with transcoders on all MLPs the network between is linear and the weights are exact.
 * An SAE on the residual stream blocks the whole stream: only what comes after it reaches further up.
 *
 * Definitions: Marks et al. 2024 (arXiv 2403.19647), Ameisen et al. 2025 ("Circuit Tracing"). A weight is not what ablating
 * the source does: that also moves patterns, norm scales and other features.
 *
 * @throws {RangeError} on a bad prompt, SAEs that do not fit, or a target that no SAE or position has
 *
 * @example What makes the strongest feature of the last SAE?
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { featureEdges } from "./feature_edges.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using lower = await loadSae("tiny-facts/blocks.2.hook_resid_pre");
 * await using upper = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const targets = [{ hook: upper.hookOut, position: -1, feature: 189 }];
 * const edges = await featureEdges(model, " Tiger Woods plays the sport of", { saes: [lower, upper], targets });
 * const [{ weights, rest, preActivation }] = edges.targets;
 * console.assert(Math.abs(weights.reduce((a, b) => a + b, rest) - preActivation) < 1e-4);
 * ```
 */
export async function featureEdges(
  model: Model,
  prompt: string | readonly number[],
  options: FeatureEdgesOptions,
): Promise<FeatureEdges> {
  checkOptions("featureEdges", options, EDGES_OPTIONS);
  const { saes } = options;
  const prepared = await preparePrompt(model, prompt, saes, options);
  const { tokens, processing } = prepared;
  const wanted = options.targets?.map((target) => checkTarget(target, saes, tokens.length));
  const run = await runDirect(model, { ...prepared, saes });
  try {
    const targets = await edgesInto(run, wanted ?? activeTargets(run));
    return { tokens: await model.describeTokens(tokens), processing, nodes: run.nodes, targets };
  } finally {
    run.state.release();
  }
}

/** @throws {RangeError} if there is no such SAE, position or feature */
function checkTarget(target: HookFeature, saes: readonly Sae[], n: number): HookFeature {
  const { hook, position, feature } = target;
  const sae = saes.find(({ hookOut }) => hookOut === hook);
  if (!sae) throw new RangeError(`No SAE writes ${hook}; there is ${saes.map(({ hookOut }) => hookOut).join(", ")}`);
  const at = resolvePosition(position, n, "The target's position");
  if (!Number.isInteger(feature) || feature < 0 || feature >= sae.config.dSae) {
    throw new RangeError(`The SAE at ${hook} has no feature ${feature}: it has ${sae.config.dSae}, from 0`);
  }
  return { hook, position: at, feature };
}

/** The active features at the last position of every SAE that has another upstream. */
function activeTargets({ model, nodes, saeRuns, tokens }: DirectRun): HookFeature[] {
  const saes = [...saeRuns.values()].map(({ sae }) => sae);
  const hooks = saes.filter(({ hookIn, hookOut }) =>
    saes.some((other) => other.hookOut !== hookOut && isUpstream(model, other.hookOut, hookIn))
  ).map(({ hookOut }) => hookOut);
  if (hooks.length === 0) {
    throw new RangeError(
      `No SAE reads what another one writes (${
        saes.map(({ hookOut }) => hookOut).join(", ")
      }): give one further down too`,
    );
  }
  return nodes.filter(({ kind, hook, position }) =>
    kind === "feature" && position === tokens.length - 1 && hooks.includes(hook)
  ).map(({ hook, position, feature }) => ({ hook, position, feature: feature! }));
}

/** Edges into targets, in their order. */
async function edgesInto(run: DirectRun, wanted: readonly HookFeature[]): Promise<EdgeTarget[]> {
  const found = new Map<HookFeature, EdgeTarget>();
  for (const [hook, { sae, encoded: { activations } }] of run.saeRuns) {
    const here = wanted.filter((target) => target.hook === hook);
    if (here.length === 0) continue;
    const targets = await featureTargets(run, hook, here);
    const effects = await directEffects(run, sae.hookIn, targets, sae);
    here.forEach((target, i) => {
      const { preActivation } = targets[i];
      const [start, end] = [activations.offsets[target.position], activations.offsets[target.position + 1]];
      const entry = activations.features.subarray(start, end).indexOf(target.feature);
      const activation = entry < 0 ? 0 : activations.values[start + entry];
      const rest = effects[i].reduce((left, weight) => left - weight, preActivation);
      found.set(target, { ...target, activation, preActivation, weights: effects[i], rest });
    });
  }
  return wanted.map((target) => found.get(target)!);
}

/** The columns of {@linkcode edgeTable}. */
export const EDGE_COLUMNS = [
  "kind",
  "source_hook",
  "source_position",
  "source_feature",
  "target_hook",
  "target_position",
  "target_feature",
  "weight",
] as const;

/** Which rows of {@linkcode edgeTable}. */
export interface EdgeTableOptions {
  /** The rows with the largest |weight|. */
  readonly top?: number;
  /** Rows from features only. */
  readonly featuresOnly?: boolean;
  /** Two more columns, `source_label` and `target_label`, with what features stand for. */
  readonly explanations?: Explanations;
}

const EDGE_TABLE_OPTIONS: OptionKinds<EdgeTableOptions> = { top: "count", featuresOnly: "flag", explanations: "any" };

/**
 * Edges as a long table: one row per source and target, largest weight first. `kind` is that of the source, or `rest` for
 * what no node adds: over all kinds a target's weights sum to its pre-activation.
 *
 * @example
 * ```ts
 * import { edgeTable } from "./feature_edges.ts";
 *
 * const node = { kind: "feature", hook: "a", position: 0, feature: 7, activation: 2 } as const;
 * const target = { hook: "b", position: 1, feature: 3, activation: 1, preActivation: 1, rest: 0.5 };
 * const edges = { nodes: [node], targets: [{ ...target, weights: Float32Array.of(0.5) }] };
 * console.assert([...edgeTable(edges).rows].length === 2);
 * ```
 */
export function edgeTable(
  { nodes, targets }: Pick<FeatureEdges, "nodes" | "targets">,
  options: EdgeTableOptions = {},
): Table {
  checkOptions("edgeTable", options, EDGE_TABLE_OPTIONS);
  const { top, featuresOnly = false, explanations } = options;
  const label = (hook: string | null, feature: number | null): string =>
    explanations?.get(hook ?? "")?.get(feature ?? -1) ?? "";
  const rows: { cells: Cell[]; weight: number }[] = [];
  for (const { hook, position, feature, weights, rest } of targets) {
    const add = (source: Cell[], weight: number, sourceLabel: string): void => {
      const labels = explanations ? [sourceLabel, label(hook, feature)] : [];
      rows.push({ cells: [...source, hook, position, feature, weight, ...labels], weight });
    };
    nodes.forEach((node, i) => {
      if (weights[i] === 0 || (featuresOnly && node.kind !== "feature")) return;
      add([node.kind, node.hook, node.position, node.feature], weights[i], label(node.hook, node.feature));
    });
    if (!featuresOnly) add(["rest", null, null, null], rest, "");
  }
  const strongest = top === undefined
    ? rows
    : rows.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, top);
  strongest.sort((a, b) => b.weight - a.weight);
  const columns = explanations ? [...EDGE_COLUMNS, "source_label", "target_label"] : EDGE_COLUMNS;
  return { columns, rows: strongest.map(({ cells }) => cells) };
}
