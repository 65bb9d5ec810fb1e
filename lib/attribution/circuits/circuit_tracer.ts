/**
 * An attribution graph as circuit-tracer's JSON, which its pydantic class `Model`, its local server and Neuronpedia read.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import { VERSION } from "../../version.ts";
import type { AttributionGraph } from "./attribution_graph.ts";
import { graphScores, prune, type Pruned } from "./graph_influence.ts";
import type { Explanations } from "../result/long_table.ts";

/** A node in circuit-tracer's words. */
export interface CircuitTracerNode {
  /** `LAYER_FEATURE_POSITION`, `E_TOKEN_POSITION`, `0_LAYER_POSITION` of errors. */
  readonly node_id: string;
  /** Of a feature, layer and index as one number (Cantor's pairing); of an error −1; of a logit its token's id. */
  readonly feature: number;
  /** The layer as text, `E` for tokens, layers + 1 for logits. */
  readonly layer: string;
  /** Position. */
  readonly ctx_idx: number;
  /** What it is. */
  readonly feature_type: "cross layer transcoder" | "mlp reconstruction error" | "embedding" | "logit";
  /** Of a logit. */
  readonly token_prob: number;
  /** It is the most probable logit. */
  readonly is_target_logit: boolean;
  /** Always 0. */
  readonly run_idx: number;
  /** Always 0. */
  readonly reverse_ctx_idx: number;
  /** How the page calls it. */
  readonly jsNodeId: string;
  /** What it stands for, as far as is known. */
  readonly clerp: string;
  /** The share of all influence that it and the nodes with more of it have; null for logits. */
  readonly influence: number | null;
  /** Of a feature. */
  readonly activation: number | null;
}

/** An edge: a direct effect. */
export interface CircuitTracerLink {
  /** A node's id. */
  readonly source: string;
  /** A node's id. */
  readonly target: string;
  /** The direct effect on the target's pre-activation, or on a logit. */
  readonly weight: number;
}

/** What circuit-tracer writes, and, in `metadata`, what Neuronpedia adds to it. */
export interface CircuitTracerGraph {
  /** What it is a graph of. */
  readonly metadata: {
    readonly slug: string;
    readonly scan: string;
    readonly transcoder_list: readonly string[];
    readonly prompt_tokens: readonly string[];
    readonly prompt: string;
    readonly node_threshold: number;
    readonly schema_version: 1;
    readonly info: { readonly generator: { readonly name: string; readonly version: string } };
    readonly generation_settings: Readonly<Record<string, number>>;
    readonly pruning_settings: { readonly node_threshold: number; readonly edge_threshold: number };
    /** circuit-tracer's scores, of the graph before pruning. */
    readonly scores: { readonly replacement: number; readonly completeness: number };
  };
  /** How the page begins. */
  readonly qParams: {
    readonly pinnedIds: readonly string[];
    readonly supernodes: readonly (readonly string[])[];
    readonly linkType: "both";
    readonly clickedId: string;
    readonly sg_pos: string;
  };
  /** By layer and position. */
  readonly nodes: readonly CircuitTracerNode[];
  /** Between them. */
  readonly links: readonly CircuitTracerLink[];
}

/** Options of {@linkcode toCircuitTracer}. */
export interface CircuitTracerOptions {
  /** The graph's name. */
  readonly slug: string;
  /** By what name a page finds the features' examples: circuit-tracer's name of the set, or Neuronpedia's of the model. */
  readonly scan: string;
  /** The share of influence of the nodes that are kept; default 0.8. */
  readonly nodeThreshold?: number;
  /** The share of influence of the edges that are kept; default 0.98. */
  readonly edgeThreshold?: number;
  /** Texts for `clerp`, by the hook that a transcoder writes; default: the transcoders' own labels. */
  readonly explanations?: Explanations;
  /** How the graph was asked for, into the metadata. */
  readonly settings?: Readonly<Record<string, number>>;
}

const CIRCUIT_TRACER_OPTIONS: OptionKinds<CircuitTracerOptions> = {
  slug: "any",
  scan: "any",
  nodeThreshold: "any",
  edgeThreshold: "any",
  explanations: "any",
  settings: "any",
};

/**
 * Cantor's pairing of two whole numbers ≥ 0.
 *
 * @example
 * ```ts
 * import { cantorPairing } from "./circuit_tracer.ts";
 *
 * console.assert(cantorPairing(1, 2) === 8);
 * ```
 */
export function cantorPairing(x: number, y: number): number {
  return (x + y) * (x + y + 1) / 2 + y;
}

/**
 * The graph, pruned, as circuit-tracer's `create_graph_files` writes it.
 *
 * @throws {RangeError} if a threshold is not between 0 and 1
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { attributionGraph } from "./attribution_graph.ts";
 * import { toCircuitTracer } from "./circuit_tracer.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.2.hook_mlp_out");
 * const graph = await attributionGraph(model, " Tiger Woods plays the sport of", { saes: [sae] });
 * const { nodes } = await toCircuitTracer(graph, { slug: "golf", scan: "tiny-facts", nodeThreshold: 1 });
 * console.assert(nodes.some(({ feature_type }) => feature_type === "cross layer transcoder"));
 * ```
 */
export async function toCircuitTracer(
  graph: AttributionGraph,
  options: CircuitTracerOptions,
): Promise<CircuitTracerGraph> {
  checkOptions("toCircuitTracer", options, CIRCUIT_TRACER_OPTIONS);
  const { slug, scan, nodeThreshold = 0.8, edgeThreshold = 0.98, settings = {} } = options;
  const pruned = prune(graph, { node: nodeThreshold, edge: edgeThreshold });
  const nodes = await makeNodes(graph, pruned, options.explanations);
  const links = makeLinks(graph, pruned, nodes);
  const connected = new Set(links.flatMap(({ source, target }) => [source, target]));
  const alwaysThere = ["embedding", "logit"];
  const { replacement, completeness } = graphScores(graph);
  return {
    metadata: {
      slug,
      scan,
      transcoder_list: [...new Set([...graph.saes].sort(([a], [b]) => a - b).map(([, sae]) => sae.source))],
      prompt_tokens: graph.tokens.map(({ text }) => text),
      prompt: graph.prompt,
      node_threshold: nodeThreshold,
      schema_version: 1,
      info: { generator: { name: "sae-attribution", version: VERSION } },
      generation_settings: settings,
      pruning_settings: { node_threshold: nodeThreshold, edge_threshold: edgeThreshold },
      scores: { replacement, completeness },
    },
    qParams: { pinnedIds: [], supernodes: [], linkType: "both", clickedId: "", sg_pos: "" },
    nodes: [...nodes.values()].filter((node) => connected.has(node.node_id) || alwaysThere.includes(node.feature_type)),
    links,
  };
}

const COMMON = {
  token_prob: 0,
  is_target_logit: false,
  run_idx: 0,
  reverse_ctx_idx: 0,
  clerp: "",
  influence: null,
  activation: null,
};

/** The nodes that stay, by index. */
async function makeNodes(
  graph: AttributionGraph,
  { nodes: kept, cumulative }: Pruned,
  explanations: Explanations | undefined,
): Promise<Map<number, CircuitTracerNode>> {
  const { nFeatures, nErrors, tokens, logits, nLayers } = graph;
  const n = tokens.length;
  const labels = new Map<number, ReadonlyMap<number, string>>();
  for (const [layer, sae] of graph.saes) labels.set(layer, explanations?.get(sae.hookOut) ?? await sae.labels());
  const found = new Map<number, CircuitTracerNode>();
  const ids = new Set<string>();
  kept.forEach((stays, i) => {
    if (!stays) return;
    const influence = cumulative[i];
    let node: CircuitTracerNode;
    if (i < nFeatures) {
      const feature = graph.features[i];
      node = featureNode(feature, influence, labels.get(feature.layer)?.get(feature.feature));
      ids.add(node.node_id);
    } else if (i < nFeatures + nErrors) {
      const [layer, position] = [Math.floor((i - nFeatures) / n), (i - nFeatures) % n];
      node = errorNode(layer, position, influence, ids);
    } else if (i < nFeatures + nErrors + n) {
      const position = i - nFeatures - nErrors;
      node = tokenNode(tokens[position].id, position, influence);
    } else {
      const rank = i - nFeatures - nErrors - n;
      node = logitNode(logits[rank], rank === 0, nLayers, n - 1);
    }
    found.set(i, node);
  });
  return found;
}

function featureNode(
  { layer, position, feature, activation }: AttributionGraph["features"][number],
  influence: number,
  label = "",
): CircuitTracerNode {
  return {
    node_id: `${layer}_${feature}_${position}`,
    ...COMMON,
    feature: cantorPairing(layer, feature),
    layer: String(layer),
    ctx_idx: position,
    feature_type: "cross layer transcoder",
    jsNodeId: `${layer}_${feature}-0`,
    clerp: label,
    influence,
    activation,
  };
}

/** circuit-tracer gives the error of layer l the id of layer 0's feature l: where both are there, this one gets another. */
function errorNode(
  layer: number,
  position: number,
  influence: number,
  taken: ReadonlySet<string>,
): CircuitTracerNode {
  const id = `0_${layer}_${position}`;
  return {
    node_id: taken.has(id) ? `error_${layer}_${position}` : id,
    ...COMMON,
    feature: -1,
    layer: String(layer),
    ctx_idx: position,
    feature_type: "mlp reconstruction error",
    jsNodeId: `${layer}_${position}-0`,
    influence,
  };
}

function tokenNode(id: number, position: number, influence: number): CircuitTracerNode {
  return {
    node_id: `E_${id}_${position}`,
    ...COMMON,
    feature: position,
    layer: "E",
    ctx_idx: position,
    feature_type: "embedding",
    jsNodeId: `E_${id}-${position}`,
    influence,
  };
}

function logitNode(
  { id, token, probability }: AttributionGraph["logits"][number],
  isTarget: boolean,
  nLayers: number,
  position: number,
): CircuitTracerNode {
  const layer = String(nLayers + 1);
  return {
    node_id: `${layer}_${id}_${position}`,
    ...COMMON,
    feature: id,
    layer,
    ctx_idx: position,
    feature_type: "logit",
    token_prob: probability,
    is_target_logit: isTarget,
    jsNodeId: `L_${id}-${position}`,
    clerp: `Output "${token}" (p=${probability.toFixed(3)})`,
  };
}

/** The edges that stay, by target, then by source. */
function makeLinks(
  { rows }: AttributionGraph,
  { edges }: Pruned,
  nodes: ReadonlyMap<number, CircuitTracerNode>,
): CircuitTracerLink[] {
  return [...edges.keys()].sort((a, b) => a - b).flatMap((target) => {
    const row = rows.get(target)!;
    const links: CircuitTracerLink[] = [];
    edges.get(target)!.forEach((stays, i) => {
      const source = stays ? nodes.get(i) : undefined;
      if (source) links.push({ source: source.node_id, target: nodes.get(target)!.node_id, weight: row[i] });
    });
    return links;
  });
}
