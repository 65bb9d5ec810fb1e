/**
 * How far an attribution can be trusted: some of it against exact ablation.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import { ablateFeatures, ablateJointly, type AblationRow } from "../change/ablation.ts";
import { differ, isDistrusted } from "../result/distrust.ts";
import type { Attribution } from "../result/result.ts";
import type { AttributionRow } from "../result/sae_attribution.ts";
import { mulberry32 } from "../../random.ts";
import { pearson, slope, spearman } from "./statistics.ts";
import type { DownstreamError } from "../change/downstream_error.ts";
import { VARIANT_OPTIONS, type VariantOptions } from "../change/rerun.ts";

/** Options of {@linkcode verifyAttribution}. */
export interface VerifyOptions extends VariantOptions {
  /** So many of the strongest features, and as many random ones. Default 20. */
  readonly count?: number;
  /** Decides which random ones. Default 0. */
  readonly seed?: number;
}

const VERIFY_OPTIONS: OptionKinds<VerifyOptions> = { ...VARIANT_OPTIONS, count: "count", seed: "any" };

/** An attribution and the exact effect of what it is about; keys are those of the summary's JSON. */
export interface VerifiedRow {
  /** The token, counted from 0. */
  readonly position: number;
  /** The feature's index in the SAE. */
  readonly feature: number;
  /** Why it was looked at. */
  readonly chosen: "strongest" | "random";
  /** What was attributed to it. */
  readonly attribution: number;
  /** metric − metric(without it) */
  readonly effect: number;
}

/** One SAE's attributions against exact ablation. Correlations are null where there is nothing to correlate. */
export interface HookVerification {
  /** Where the SAE writes. */
  readonly hook: string;
  /** Of the effects with the attributions. */
  readonly pearson: number | null;
  /** The same of their ranks. */
  readonly spearman: number | null;
  /** Among the random ones only: the strongest are easy to tell from the rest. */
  readonly spearman_random: number | null;
  /** Of the effects against the attributions: above 1, attributions are too small. */
  readonly slope: number | null;
  /** Of the effects above the noise floor, how many have the attribution's sign. */
  readonly sign_agreement: { readonly agree: number; readonly of: number };
  /**
   * Of the rows whose curvature is known and whose effect exceeds the noise floor: how many it flagged as not to be
   * trusted, how many of these were wrong (another sign, or off by more than a factor of 2), and how many were wrong in
   * all. null where no curvature was asked for.
   */
  readonly reliability: {
    readonly known: number;
    readonly flagged: number;
    readonly flagged_wrong: number;
    readonly wrong: number;
  } | null;
  /** The largest |effect − attribution|. */
  readonly worst: VerifiedRow | null;
  /** 1e-5 · |metric|: smaller effects are rounding. */
  readonly noise_floor: number;
  /** The strongest removed all at once, beside the sum of their attributions. */
  readonly joint_ablation: { readonly effect: number; readonly sum_of_attributions: number };
  /** What all this is from, strongest first. */
  readonly rows: readonly VerifiedRow[];
}

/** What {@linkcode verifyAttribution} finds. */
export interface VerifySummary {
  /** How many of the strongest, and how many random ones at most. */
  readonly count: number;
  /** What decided which random ones. */
  readonly seed: number;
  /** What became of the errors of SAEs further up. */
  readonly downstream_error: DownstreamError;
  /** One entry per SAE. */
  readonly hooks: readonly HookVerification[];
}

/** Effects below this part of the metric are float32's rounding. */
const NOISE = 1e-5;

/**
 * Compares attributions with exact ablation: the strongest ones at every SAE, and as many random ones among the other
 * active features whose attribution is not 0.
 *
 * @throws {RangeError} if the count is not a whole number above 0
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { calculateFeatureAttribution } from "../attribution.ts";
 * import { logitDiff } from "../metric/metrics.ts";
 * import { verifyAttribution } from "./verify.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * const { hooks: [{ pearson }] } = await verifyAttribution(result, { count: 10 });
 * console.assert(pearson! > 0.9);
 * ```
 */
export async function verifyAttribution(result: Attribution, options: VerifyOptions = {}): Promise<VerifySummary> {
  checkOptions("verifyAttribution", options, VERIFY_OPTIONS);
  const { count = 20, seed = 0, downstreamError = "recomputed" } = options;
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`The count is ${count}: give a whole number above 0`);
  const hooks: HookVerification[] = [];
  for (const hook of result.hooks) {
    const { strongest, random } = choose(result.rows(hook), count, seed);
    const rows = await ablateFeatures(result, hook, [...strongest, ...random], { downstreamError });
    const [joint] = await ablateJointly(result, hook, [strongest], { downstreamError });
    hooks.push({
      hook,
      ...compare(rows, strongest.length, NOISE * Math.abs(result.metric)),
      joint_ablation: { effect: joint, sum_of_attributions: sum(strongest) },
      rows: rows.map((row, i) => verified(row, i < strongest.length)),
    });
  }
  return { count, seed, downstream_error: downstreamError, hooks };
}

function choose(
  rows: readonly AttributionRow[],
  count: number,
  seed: number,
): { strongest: AttributionRow[]; random: AttributionRow[] } {
  const sorted = rows.toSorted((a, b) =>
    Math.abs(b.attribution) - Math.abs(a.attribution) || a.position - b.position || a.feature - b.feature
  );
  return { strongest: sorted.slice(0, count), random: sample(sorted.slice(count), count, seed) };
}

function compare(
  rows: readonly AblationRow[],
  strongest: number,
  floor: number,
): Omit<HookVerification, "hook" | "joint_ablation" | "rows"> {
  const attributions = rows.map(({ attribution }) => attribution);
  const effects = rows.map(({ effect }) => effect);
  const counted = rows.filter(({ effect }) => Math.abs(effect) > floor);
  const off = ({ effect, attribution }: AblationRow): number => Math.abs(effect - attribution);
  const worst = rows.length === 0 ? -1 : rows.reduce((most, row, i) => off(row) > off(rows[most]) ? i : most, 0);
  return {
    pearson: orNull(pearson(attributions, effects)),
    spearman: orNull(spearman(attributions, effects)),
    spearman_random: orNull(spearman(attributions.slice(strongest), effects.slice(strongest))),
    slope: orNull(slope(attributions, effects)),
    sign_agreement: {
      agree: counted.filter(({ effect, attribution }) => Math.sign(effect) === Math.sign(attribution)).length,
      of: counted.length,
    },
    reliability: reliabilityOf(counted),
    worst: worst < 0 ? null : verified(rows[worst], worst < strongest),
    noise_floor: floor,
  };
}

function reliabilityOf(rows: readonly AblationRow[]): HookVerification["reliability"] {
  const known = rows.filter((row) => isDistrusted(row) !== undefined);
  if (known.length === 0) return null;
  const isWrong = ({ attribution, effect }: AblationRow): boolean => differ(attribution, effect);
  const flagged = known.filter(isDistrusted);
  return {
    known: known.length,
    flagged: flagged.length,
    flagged_wrong: flagged.filter(isWrong).length,
    wrong: known.filter(isWrong).length,
  };
}

function verified({ position, feature, attribution, effect }: AblationRow, isStrongest: boolean): VerifiedRow {
  return { position, feature, chosen: isStrongest ? "strongest" : "random", attribution, effect };
}

const sum = (rows: readonly AttributionRow[]): number =>
  rows.reduce((total, { attribution }) => total + attribution, 0);
const orNull = (x: number): number | null => Number.isFinite(x) ? x : null;

/** Some of the items in random order, the same for the same seed. */
function sample<T>(items: readonly T[], count: number, seed: number): T[] {
  const random = mulberry32(seed);
  const rest = [...items];
  const chosen: T[] = [];
  while (chosen.length < count && rest.length > 0) {
    const i = Math.floor(random() * rest.length);
    chosen.push(rest[i]);
    rest[i] = rest[rest.length - 1];
    rest.pop();
  }
  return chosen;
}
