/**
 * How much nodes and edges of an attribution graph matter to its logits, and what is left without those that do not:
 * circuit-tracer's definitions (Ameisen et al. 2025, "Circuit Tracing", methods on pruning).
 *
 * @module
 */
import { checkOptions } from "../../options.ts";

/**
 * A graph in which every edge goes from a lower to a higher index: features (in the order of the computation), errors,
 * tokens, logits. Errors and tokens have no causes; features that were not looked into have no row either.
 */
export interface Adjacency {
  /** Nodes of kind feature: the first ones. */
  readonly nFeatures: number;
  /** Errors, after the features. */
  readonly nErrors: number;
  /** Tokens, after the errors. */
  readonly nTokens: number;
  /** By target, the weights of what comes before the logits, `[node]`. */
  readonly rows: ReadonlyMap<number, Float32Array>;
  /** The logits' probabilities; they are the last nodes. */
  readonly probabilities: readonly number[];
}

/** How much of the influence to keep. */
export interface Thresholds {
  /** Of that of all nodes, 0 to 1. */
  readonly node: number;
  /** Of that of all edges between the nodes kept, 0 to 1. */
  readonly edge: number;
}

/** What pruning leaves. */
export interface Pruned {
  /** By node: 1 if it stays. */
  readonly nodes: Uint8Array;
  /** By target, 1 for the sources of edges that stay. */
  readonly edges: ReadonlyMap<number, Uint8Array>;
  /** By node: the share of all influence that it and the nodes with more of it have. */
  readonly cumulative: Float64Array;
}

/** How much of the computation the graph explains. */
export interface GraphScores {
  /** Of the influence of tokens and errors on the logits, the tokens' share: what goes through features all the way. */
  readonly replacement: number;
  /** Of what comes into the nodes, weighted by their influence, the share of features and tokens. */
  readonly completeness: number;
}

/** circuit-tracer's least sum of a row. */
const MIN_SUM = 1e-10;

/** The number of nodes before the logits. */
function sourceCount({ nFeatures, nErrors, nTokens }: Adjacency): number {
  return nFeatures + nErrors + nTokens;
}

/** The sum of a row's |weights|, over the sources that stay. */
function rowSum(row: Float32Array, kept?: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) if (!kept || kept[i]) sum += Math.abs(row[i]);
  return Math.max(MIN_SUM, sum);
}

/** Visits targets from the logits down; when a node's turn comes, all that it influences has been visited. */
function* targetsFromTop(graph: Adjacency): Generator<[target: number, row: Float32Array]> {
  const logits = graph.probabilities.map((_, i) => sourceCount(graph) + i);
  for (const target of logits) yield [target, graph.rows.get(target)!];
  for (let target = graph.nFeatures - 1; target >= 0; target--) {
    const row = graph.rows.get(target);
    if (row) yield [target, row];
  }
}

/**
 * Influence of every node on the logits: each node's own is handed down to its causes in proportion to |weight|, over all
 * paths; the logits begin with their probabilities (which are not counted).
 *
 * @param kept only these nodes and what is between them
 *
 * @example
 * ```ts
 * import { nodeInfluence } from "./graph_influence.ts";
 *
 * const graph = {
 *   nFeatures: 1,
 *   nErrors: 1,
 *   nTokens: 1,
 *   rows: new Map([[0, Float32Array.of(0, 0, 2)], [3, Float32Array.of(3, 1, 0)]]), // token → feature → logit ← error
 *   probabilities: [1],
 * };
 * console.assert(nodeInfluence(graph).join() === "0.75,0.25,0.75,0");
 * ```
 */
export function nodeInfluence(graph: Adjacency, kept?: Uint8Array): Float64Array {
  const n = sourceCount(graph);
  const influence = new Float64Array(n + graph.probabilities.length);
  for (const [target, row] of targetsFromTop(graph)) {
    const own = influence[target] + (graph.probabilities[target - n] ?? 0);
    if (own === 0 || (kept && !kept[target])) continue;
    const share = own / rowSum(row, kept);
    for (let i = 0; i < n; i++) if (row[i] !== 0 && (!kept || kept[i])) influence[i] += share * Math.abs(row[i]);
  }
  return influence;
}

/** The smallest score among the largest ones that together have a share of the sum. */
function findThreshold(scores: Float64Array, share: number): number {
  const sorted = scores.slice().sort().reverse();
  const total = sorted.reduce((a, b) => a + b, 0);
  let sum = 0;
  for (const score of sorted) {
    sum += score;
    if (sum / total >= share) return score;
  }
  return sorted.at(-1) ?? 0;
}

/**
 * Leaves out nodes, then edges, with little influence on the logits, then what no longer has a cause or an effect.
 * Tokens and logits stay.
 *
 * @throws {RangeError} if a threshold is not between 0 and 1
 *
 * @example
 * ```ts
 * import { prune } from "./graph_influence.ts";
 *
 * const graph = {
 *   nFeatures: 1,
 *   nErrors: 1,
 *   nTokens: 1,
 *   rows: new Map([[0, Float32Array.of(0, 0, 2)], [3, Float32Array.of(3, 1, 0)]]), // token → feature → logit ← error
 *   probabilities: [1],
 * };
 * console.assert(prune(graph, { node: 0.8, edge: 0.98 }).nodes.join() === "1,0,1,1");
 * ```
 */
export function prune(graph: Adjacency, thresholds: Thresholds): Pruned {
  checkOptions<Thresholds>("pruneGraph", thresholds, { node: "any", edge: "any" });
  for (const [name, value] of Object.entries(thresholds)) {
    if (!(value >= 0 && value <= 1)) {
      throw new RangeError(`The ${name} threshold is ${value}: give a number from 0 to 1`);
    }
  }
  const n = sourceCount(graph);
  const influence = nodeInfluence(graph);
  const least = findThreshold(influence, thresholds.node);
  const nodes = Uint8Array.from(influence, (x) => Number(x >= least));
  nodes.fill(1, graph.nFeatures + graph.nErrors);
  const scores = edgeInfluence(graph, nodes);
  const leastEdge = findThreshold(joined([...scores.values()]), thresholds.edge);
  const edges = new Map<number, Uint8Array>();
  for (const [target, row] of scores) {
    edges.set(target, Uint8Array.from(row, (x, i) => Number(x >= leastEdge && graph.rows.get(target)![i] !== 0)));
  }
  removeLoose(graph, nodes, edges);
  return { nodes, edges, cumulative: cumulativeShares(influence.subarray(0, n), influence.length) };
}

/** By kept target, its causes' shares of its influence and of its own weight as a logit. */
function edgeInfluence(graph: Adjacency, kept: Uint8Array): Map<number, Float64Array> {
  const n = sourceCount(graph);
  const influence = nodeInfluence(graph, kept);
  const scores = new Map<number, Float64Array>();
  for (const [target, row] of targetsFromTop(graph)) {
    if (!kept[target]) continue;
    const share = (influence[target] + (graph.probabilities[target - n] ?? 0)) / rowSum(row, kept);
    scores.set(target, Float64Array.from(row, (x, i) => kept[i] ? share * Math.abs(x) : 0));
  }
  return scores;
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Removes, until nothing changes, features and errors without effects, features without causes, and their edges. */
function removeLoose(
  { nFeatures, nErrors }: Adjacency,
  nodes: Uint8Array,
  edges: Map<number, Uint8Array>,
): void {
  for (let changed = true; changed;) {
    changed = false;
    const hasEffect = new Uint8Array(nFeatures + nErrors);
    for (const row of edges.values()) for (let i = 0; i < hasEffect.length; i++) if (row[i]) hasEffect[i] = 1;
    for (let node = 0; node < nFeatures + nErrors; node++) {
      if (!nodes[node]) continue;
      const hasCause = node >= nFeatures || (edges.get(node)?.includes(1) ?? false);
      if (hasEffect[node] && hasCause) continue;
      nodes[node] = 0;
      changed = true;
    }
    for (const [target, row] of edges) {
      if (!nodes[target]) edges.delete(target);
      else for (let i = 0; i < row.length; i++) row[i] &= nodes[i];
    }
  }
}

/** By node, the share of the sum that it and all with more have; 0 for those that have none. */
function cumulativeShares(influence: Float64Array, size: number): Float64Array {
  const order = [...influence.keys()].sort((a, b) => influence[b] - influence[a]);
  const total = influence.reduce((a, b) => a + b, 0);
  const shares = new Float64Array(size).fill(1);
  let sum = 0;
  for (const i of order) shares[i] = (sum += influence[i]) / total;
  return shares;
}

/**
 * circuit-tracer's two scores, of the graph as it is before pruning.
 *
 * @example
 * ```ts
 * import { graphScores } from "./graph_influence.ts";
 *
 * const graph = {
 *   nFeatures: 1,
 *   nErrors: 1,
 *   nTokens: 1,
 *   rows: new Map([[0, Float32Array.of(0, 0, 2)], [3, Float32Array.of(3, 1, 0)]]), // token → feature → logit ← error
 *   probabilities: [1],
 * };
 * console.assert(graphScores(graph).replacement === 0.75);
 * ```
 */
export function graphScores(graph: Adjacency): GraphScores {
  const { nFeatures, nErrors } = graph;
  const n = sourceCount(graph);
  const influence = nodeInfluence(graph);
  const sum = (from: number, to: number): number => influence.subarray(from, to).reduce((a, b) => a + b, 0);
  const [errors, tokens] = [sum(nFeatures, nFeatures + nErrors), sum(nFeatures + nErrors, n)];
  let [explained, all] = [errors + tokens, errors + tokens]; // what has no causes counts as explained, as there
  for (let node = 0; node < influence.length; node++) {
    if (node >= nFeatures && node < n) continue;
    const own = influence[node] + (graph.probabilities[node - n] ?? 0);
    const row = graph.rows.get(node);
    const unexplained = row ? rowSum(row.subarray(nFeatures, nFeatures + nErrors)) / rowSum(row) : 0;
    explained += own * (1 - unexplained);
    all += own;
  }
  return { replacement: tokens / (tokens + errors), completeness: explained / all };
}
