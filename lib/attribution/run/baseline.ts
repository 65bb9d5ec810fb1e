/**
 * What features are compared with: zero, their mean, or another prompt.
 *
 * @module
 */
import type { Model } from "../../model/model.ts";
import { type SparseActivations, withoutRows } from "../../sae/sparse.ts";
import type { SaeRun } from "./sae_hooks.ts";
import { type RunWithSaes, runWithSaes } from "./run_prompts.ts";
import type { AttributionOptions } from "./attribution_options.ts";
import type { AttributionGrads } from "./attribution_grads.ts";
import { metricValue } from "../metric/value.ts";
import { preparePrompt } from "./prompt.ts";

/** One SAE's side of a baseline. At positions where the SAE is left out it is the run itself, so that nothing differs. */
export interface SaeBaseline {
  /** f_base. */
  readonly activations: SparseActivations;
  /** By entry of the activations, s · f_base: what the decoder's row was multiplied by, s the output's scale there. */
  readonly scaled: Float32Array;
  /** What the SAE writes without any feature, `[row, d_out]`. */
  readonly bias: Float32Array;
  /** The hook's value, `[row, d_out]`. */
  readonly saeIn: Float32Array;
  /** x_base − x̂_base, `[row, d_out]`. */
  readonly error: Float32Array;
}

/** A baseline that was run. */
export interface BaselineRun {
  /** What outputs call it. */
  readonly name: "mean" | "mean of prompts" | "prompt";
  /** The other prompt's tokens. */
  readonly tokens?: readonly number[];
  /** The metric after the other prompt. */
  readonly metric?: number;
  /** How many positions a mean is over. */
  readonly positions?: number;
  /** By the hook that the SAE writes. */
  readonly saes: ReadonlyMap<string, SaeBaseline>;
}

/** Runs a baseline beside a run; undefined for zero. */
export async function runBaseline(
  model: Model,
  options: AttributionOptions,
  grads: AttributionGrads,
): Promise<BaselineRun | undefined> {
  const { baseline = "zero" } = options;
  if (baseline === "zero" || grads.saeRuns.size === 0) return undefined;
  if (baseline === "mean") return await meanBaseline("mean", grads, [grads.saeRuns]);
  if ("mean" in baseline) {
    return await meanBaseline("mean of prompts", grads, runPrompts(model, baseline.mean, options, grads));
  }
  const tokens = grads.baselineTokens!;
  const { state, saeRuns } = await run(model, tokens, options, grads, excludedIn(grads));
  const saes = new Map([...saeRuns].map(([hook, other]) => [hook, promptBaseline(grads.saeRuns.get(hook)!, other)]));
  const metric = await metricValue(model, grads.resolvedMetric, state.final);
  return { name: "prompt", tokens, metric, saes };
}

/** The positions at which the run leaves the SAEs out; the same for all. */
function excludedIn({ saeRuns }: AttributionGrads): ReadonlySet<number> {
  const [first] = saeRuns.values();
  return first.excluded;
}

async function run(
  model: Model,
  tokens: readonly number[],
  { saes = [], includeErrorTerm = true }: AttributionOptions,
  { processing, rows }: AttributionGrads,
  excluded: ReadonlySet<number>,
): Promise<RunWithSaes> {
  const at = rows.every((row) => row < tokens.length) ? rows : [tokens.length - 1];
  const request = { tokens, saes, processing, includeErrorTerm, trackModelHooks: [], withGradients: false, rows: at };
  const ran = await runWithSaes(model, { ...request, excluded });
  ran.state.release(); // nothing goes back over it
  return ran;
}

function promptBaseline(clean: SaeRun, { encoded, saeIn, saeOut }: SaeRun): SaeBaseline {
  const { activations: { rows, offsets, values }, normalized: { scale, bias } } = encoded;
  const scaled = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let i = offsets[r]; i < offsets[r + 1]; i++) scaled[i] = values[i] * scale[r];
  const baseline = { activations: encoded.activations, scaled, bias, saeIn, error: difference(saeIn, saeOut) };
  return restoreExcluded(baseline, clean);
}

/** A baseline that is the run itself where the SAE is left out. */
function restoreExcluded(
  baseline: SaeBaseline,
  { saeIn: x, encoded: { normalized }, excluded, sae }: SaeRun,
): SaeBaseline {
  const d = sae.config.dOut;
  const [saeIn, error, bias] = [baseline.saeIn, baseline.error, baseline.bias].map((values) => values.slice());
  for (const r of excluded) {
    saeIn.set(x.subarray(r * d, (r + 1) * d), r * d);
    bias.set(normalized.bias.subarray(r * d, (r + 1) * d), r * d);
    error.fill(0, r * d, (r + 1) * d);
  }
  return { ...baseline, saeIn, error, bias };
}

/** One prompt's runs, by hook. */
type SaeRuns = ReadonlyMap<string, SaeRun>;

async function* runPrompts(
  model: Model,
  prompts: readonly (string | readonly number[])[],
  options: AttributionOptions,
  grads: AttributionGrads,
): AsyncGenerator<SaeRuns> {
  for (const prompt of prompts) {
    const { tokens, excluded } = await preparePrompt(model, prompt, options.saes ?? [], options);
    yield (await run(model, tokens, options, grads, excluded)).saeRuns;
  }
}

/** Sums over positions. */
interface Sums {
  positions: number;
  readonly activations: Map<number, { value: number; scaled: number }>;
  readonly bias: Float64Array;
  readonly saeIn: Float64Array;
  readonly error: Float64Array;
}

async function meanBaseline(
  name: BaselineRun["name"],
  { saeRuns }: AttributionGrads,
  runs: Iterable<SaeRuns> | AsyncIterable<SaeRuns>,
): Promise<BaselineRun> {
  const sums = new Map<string, Sums>();
  for await (const one of runs) for (const [hook, saeRun] of one) sums.set(hook, accumulate(saeRun, sums.get(hook)));
  const [first] = sums.values();
  if (first === undefined || first.positions === 0) {
    throw new RangeError(
      "A mean leaves out the first position and those of excluded tokens, and there is no other: give longer prompts",
    );
  }
  const saes = new Map([...saeRuns].map(([hook, clean]) => [hook, meansOf(sums.get(hook)!, clean)]));
  return { name, positions: first.positions, saes };
}

function accumulate(
  { encoded, saeIn, saeOut, excluded, sae: { config: { dOut: d } } }: SaeRun,
  sums = zeroSums(d),
): Sums {
  const { activations: { rows, offsets, features, values }, normalized: { scale, bias } } = encoded;
  for (let r = 1; r < rows; r++) {
    if (excluded.has(r)) continue;
    sums.positions++;
    for (let i = offsets[r]; i < offsets[r + 1]; i++) {
      const { value, scaled } = sums.activations.get(features[i]) ?? { value: 0, scaled: 0 };
      sums.activations.set(features[i], { value: value + values[i], scaled: scaled + values[i] * scale[r] });
    }
    for (let i = 0; i < d; i++) {
      sums.bias[i] += bias[r * d + i];
      sums.saeIn[i] += saeIn[r * d + i];
      sums.error[i] += saeIn[r * d + i] - saeOut[r * d + i];
    }
  }
  return sums;
}

function zeroSums(d: number): Sums {
  const zeros = (): Float64Array => new Float64Array(d);
  return { positions: 0, activations: new Map(), bias: zeros(), saeIn: zeros(), error: zeros() };
}

/** The means at every position of a run. */
function meansOf({ positions, activations, bias, saeIn, error }: Sums, clean: SaeRun): SaeBaseline {
  const { rows } = clean.encoded.activations;
  const sorted = [...activations].filter(([, { value }]) => Math.fround(value / positions) !== 0)
    .sort(([a], [b]) => a - b);
  const repeat = (values: readonly number[]): Float32Array =>
    Float32Array.from({ length: rows * values.length }, (_, i) => values[i % values.length] / positions);
  const means = {
    rows,
    offsets: Uint32Array.from({ length: rows + 1 }, (_, r) => r * sorted.length),
    features: Uint32Array.from({ length: rows * sorted.length }, (_, i) => sorted[i % sorted.length][0]),
    values: repeat(sorted.map(([, { value }]) => value)),
  };
  const scaled = repeat(sorted.map(([, { scaled }]) => scaled));
  return restoreExcluded({
    activations: withoutRows(means, clean.excluded),
    scaled: withoutRows({ ...means, values: scaled }, clean.excluded).values,
    bias: repeat([...bias]),
    saeIn: repeat([...saeIn]),
    error: repeat([...error]),
  }, clean);
}

function difference(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((x, i) => x - b[i]);
}
