/**
 * Faithfulness curves: how much of the metric the strongest features carry alone, and how much goes with them.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { SaeRun } from "../run/sae_hooks.ts";
import { attributedChanges, changesOf, contributionSum, type FeatureChange } from "../run/contributions.ts";
import type { Attribution } from "../result/result.ts";
import type { SaeAttribution } from "../result/sae_attribution.ts";
import { effectsOfChanges } from "../change/ablation.ts";
import { findMethod } from "../methods/mod.ts";
import { type Ablation, ABLATIONS, whatAblationTakes } from "../change/ablated.ts";
import { FEATURE_ORDERS, type FeatureOrder } from "../sets/names.ts";
import { EFFECT_OPTIONS, type EffectOptions, effectsOf } from "../change/rerun.ts";

/** Options of {@linkcode evaluateFaithfulness}. */
export interface FaithfulnessOptions extends EffectOptions {
  /** How many of the strongest features. Default 1, 2, 5, 10, 20, 50 … */
  readonly counts?: readonly number[];
  /** Default `zero`. The mean leaves out the first position and those at which the SAEs are left out. */
  readonly ablation?: Ablation;
  /**
   * Which are the strongest: those of the largest |attribution| (the default), or the first of the order that
   * `selectFeatures` learns, in which the first few shall keep what all do.
   */
  readonly order?: FeatureOrder;
}

const FAITHFULNESS_OPTIONS: OptionKinds<FaithfulnessOptions> = {
  ...EFFECT_OPTIONS,
  counts: "list",
  ablation: ABLATIONS,
  order: FEATURE_ORDERS,
};

/** One point of a curve. */
export interface FaithfulnessPoint {
  /** `keep`: all features but the K strongest are ablated; `ablate`: only these. */
  readonly mode: "keep" | "ablate";
  /** K. */
  readonly k: number;
  /** The metric then. */
  readonly metric: number;
  /** (metric − metric with nothing kept) / (metric with all − metric with nothing kept); null where that is not a number. */
  readonly faithfulness: number | null;
}

/** Both curves at one SAE. */
export interface FaithfulnessCurves {
  /** Where the SAE writes. */
  readonly hook: string;
  /** Features at positions whose activation would change. */
  readonly nodes: number;
  /** The metric with all of them. */
  readonly metricAll: number;
  /** The metric with all of them ablated. */
  readonly metricNone: number;
  /** By mode and K. */
  readonly points: readonly FaithfulnessPoint[];
  /** The mean faithfulness over ln K, from the first K to all (trapezoids). Keeping: 1 is best; ablating: 0. */
  readonly area: Readonly<Record<FaithfulnessPoint["mode"], number | null>>;
}

/** A feature at a position, how much its activation would change, and how strong it is. */
interface Node extends FeatureChange {
  readonly strength: number;
}

/**
 * The metric when only the K strongest features of an SAE are kept, and when only they are ablated, for several K. A
 * feature at a position is one node; the strongest have the largest |attribution|, (f − f_ablated) · gradient by the
 * attribution's own method. The SAE's bias and, with the error term, its error stay; without the error term the curves
 * are those of the model with the SAE's reconstruction in place.
 *
 * Keeping measures whether the features suffice, ablating whether they are needed (faithfulness and completeness of
 * Wang et al. 2022, arXiv 2211.00593; normalised as in Marks et al. 2024, arXiv 2403.19647). The curves judge the ranking
 * on this prompt; they do not say what single features do.
 *
 * @returns one entry per SAE
 * @throws {RangeError} if a count is not a whole number above 0, or there is no position to take a mean over
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { evaluateFaithfulness } from "./faithfulness.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * const [{ points, nodes }] = await evaluateFaithfulness(result, { counts: [1, 10] });
 * console.assert(points.length === 6 && nodes === result.rows(sae.hookOut).length); // K = 1, 10 and all, twice
 * ```
 */
export async function evaluateFaithfulness(
  result: Attribution,
  options: FaithfulnessOptions = {},
): Promise<FaithfulnessCurves[]> {
  checkOptions("evaluateFaithfulness", options, FAITHFULNESS_OPTIONS);
  const wrong = options.counts?.find((k) => !Number.isInteger(k) || k < 1);
  if (wrong !== undefined) throw new RangeError(`The count ${wrong} is not a whole number above 0`);
  const curves: FaithfulnessCurves[] = [];
  for (const [hook, sae] of result.parts.saes) curves.push(await curvesAt(result, hook, sae, options));
  return curves;
}

async function curvesAt(
  result: Attribution,
  hook: string,
  sae: SaeAttribution,
  { counts, ablation = "zero", order = "attribution", ...options }: FaithfulnessOptions,
): Promise<FaithfulnessCurves> {
  const { parts } = result;
  const metric = options.metric ? options.metric(await parts.grads.modelOutput()) : result.metric;
  const strongest = await strongestFirst(result, hook, sae, ablation);
  const nodes = order === "learnt" ? await learntFirst(result, hook, strongest, { ablation, ...options }) : strongest;
  const ks = [...new Set(counts ?? usualCounts(nodes.length))].filter((k) => k < nodes.length).sort((a, b) => a - b);
  const effects = await effectsOf(parts, hook, changes(sae.run, nodes, ks), options);
  const [metricNone, ...others] = effects.map((effect) => metric - effect);
  const point = (mode: FaithfulnessPoint["mode"], k: number, value: number): FaithfulnessPoint => {
    const share = (value - metricNone) / (metric - metricNone);
    return { mode, k, metric: value, faithfulness: Number.isFinite(share) ? share : null };
  };
  const all = nodes.length === 0 ? [] : [nodes.length];
  const kept = [...ks.map((k, i) => point("keep", k, others[2 * i])), ...all.map((n) => point("keep", n, metric))];
  const ablated = [
    ...ks.map((k, i) => point("ablate", k, others[2 * i + 1])),
    ...all.map((n) => point("ablate", n, metricNone)),
  ];
  return {
    hook,
    nodes: nodes.length,
    metricAll: metric,
    metricNone,
    points: [...kept, ...ablated],
    area: { keep: area(kept), ablate: area(ablated) },
  };
}

/** Nothing kept; then for each K what is kept of it and what is left without it: what that changes at the hook. */
async function* changes(run: SaeRun, nodes: readonly Node[], ks: readonly number[]): AsyncGenerator<Float32Array> {
  const all = await contributionSum(run, nodes);
  yield all.map((x) => -x);
  const strongest = new Float64Array(all.length);
  for (const [i, k] of ks.entries()) {
    const more = await contributionSum(run, nodes.slice(ks[i - 1] ?? 0, k));
    more.forEach((x, j) => strongest[j] += x);
    yield all.map((x, j) => strongest[j] - x);
    yield Float32Array.from(strongest, (x) => -x);
  }
}

async function strongestFirst(
  { parts }: Attribution,
  hook: string,
  sae: SaeAttribution,
  ablation: Ablation,
): Promise<Node[]> {
  const activations = whatAblationTakes(sae.run, ablation);
  const changes = changesOf(activations);
  const strengths = findMethod(parts.method).exact
    ? await effectsOfChanges(parts, hook, changes.map((change) => [{ ...change, by: -change.by }]))
    : (await attributedChanges(sae, activations)).map(({ attribution }) => attribution);
  const nodes = changes.map((change, i): Node => ({ ...change, strength: Math.abs(strengths[i]) }));
  return nodes.sort((a, b) => b.strength - a.strength || a.position - b.position || a.feature - b.feature);
}

/** The same in the order that is learnt; what it leaves out comes last. */
async function learntFirst(
  result: Attribution,
  hook: string,
  nodes: readonly Node[],
  { ablation, downstreamError }: Pick<FaithfulnessOptions, "ablation" | "downstreamError">,
): Promise<Node[]> {
  if (nodes.length === 0) return [];
  const { learntOrder } = await import(
    new URL("../sets/select.ts", import.meta.url).href
  ) as typeof import("../sets/select.ts");
  const order = await learntOrder(result, hook, { ablation, downstreamError });
  const rank = new Map(order.map(({ position, feature }, i) => [`${position} ${feature}`, i]));
  const rankOf = ({ position, feature }: Node): number => rank.get(`${position} ${feature}`) ?? order.length;
  return nodes.toSorted((a, b) => rankOf(a) - rankOf(b));
}

/** 1, 2, 5, 10, 20, 50 … below `most`. */
function usualCounts(most: number): number[] {
  const counts: number[] = [];
  for (let power = 1; power < most; power *= 10) counts.push(power, 2 * power, 5 * power);
  return counts;
}

function area(points: readonly FaithfulnessPoint[]): number | null {
  if (points.length === 0 || points.some(({ faithfulness }) => faithfulness === null)) return null;
  const at = points.map(({ k, faithfulness }) => ({ x: Math.log(k), y: faithfulness! }));
  const width = at[at.length - 1].x - at[0].x;
  if (width === 0) return at[0].y;
  const slices = at.slice(1).map(({ x, y }, i) => (x - at[i].x) * (y + at[i].y) / 2);
  return slices.reduce((a, b) => a + b, 0) / width;
}
