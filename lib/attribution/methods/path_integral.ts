/**
 * Taking integrated gradients; imported only where they are asked for.
 *
 * @module
 */
import { type SaeRun, splitHooks } from "../run/sae_hooks.ts";
import { contributionSum, type FeatureChange } from "../run/contributions.ts";
import { gradientsAt } from "../change/gradients.ts";
import type { RunParts } from "../change/rerun.ts";
import type { IntegratedGradient, Integration, IntegrationOptions } from "./integrated_gradients.ts";

/** The first number of steps that is tried. */
const FIRST_STEPS = 8;
/** Differences below this part of the metric are float32's rounding. */
const NOISE = 1e-5;

/**
 * Integrates the metric's gradient at an SAE's hook.
 *
 * @param changes f − f_base of all features that differ
 * @throws {RangeError} if a number of steps or the tolerance is out of range
 */
export async function integrate(
  parts: RunParts,
  run: SaeRun,
  changes: readonly FeatureChange[],
  options: IntegrationOptions = {},
): Promise<IntegratedGradient> {
  const { rule = "trapezoid", tolerance = 0.01, mostSteps = 512 } = options;
  checkOptions(options);
  const change = await contributionSum(run, changes);
  const path = new Path(parts, run, change);
  const ends = await path.gradients([0, 1]);
  const [metricAtBaseline, metric] = ends.metrics;
  const difference = metric - metricAtBaseline;
  const floor = Math.max(tolerance * Math.abs(difference), NOISE * Math.abs(metric));
  let inner: Float64Array = new Float64Array(change.length);
  let steps = options.steps ?? Math.min(FIRST_STEPS, mostSteps);
  for (let before = 0;; before = steps, steps *= 2) {
    inner = await innerSum(path, rule, steps, before, inner);
    const half = rule === "trapezoid" ? 0.5 : 0;
    const writtenGradient = Float32Array.from(inner, (x, i) => (x + half * ends.sum[i]) / steps);
    const sum = writtenGradient.reduce((total, g, i) => total + g * change[i], 0);
    const converged = Math.abs(sum - difference) <= floor;
    if (converged || options.steps !== undefined || 2 * steps > mostSteps) {
      const [gradient] = splitHooks(writtenGradient, run.sae.hooksOut.length, run.sae.config.dOut);
      return { gradient, writtenGradient, integration: { rule, steps, metricAtBaseline, difference, sum, converged } };
    }
  }
}

/** The sum of the gradients between the ends; twice as many trapezoids have all points of those before. */
async function innerSum(
  path: Path,
  rule: Integration["rule"],
  steps: number,
  before: number,
  sumBefore: Float64Array,
): Promise<Float64Array> {
  if (rule === "midpoint") return (await path.gradients(points(steps, (i) => (i + 0.5) / steps))).sum;
  const isNew = (i: number): boolean => before === 0 || i % 2 === 1;
  const at = points(steps - 1, (i) => i + 1).filter(isNew).map((i) => i / steps);
  const { sum } = await path.gradients(at);
  return sum.map((x, i) => x + sumBefore[i]);
}

function checkOptions({ steps = 1, mostSteps = 1, tolerance = 0 }: IntegrationOptions): void {
  const wrong = [steps, mostSteps].find((n) => !Number.isInteger(n) || n < 1);
  if (wrong !== undefined) throw new RangeError(`The number of steps is ${wrong}: give a whole number above 0`);
  if (!(tolerance >= 0)) throw new RangeError(`The tolerance is ${tolerance}: give a number that is not negative`);
}

const points = (n: number, at: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => at(i));

/** From the hook's value with all features as in the baseline (a = 0) to that of the run (a = 1). */
class Path {
  readonly #parts: RunParts;
  readonly #run: SaeRun;
  readonly #change: Float32Array;

  constructor(parts: RunParts, run: SaeRun, change: Float32Array) {
    this.#parts = parts;
    this.#run = run;
    this.#change = change;
  }

  /** The metric at some points, and the sum of its gradients there. */
  async gradients(at: readonly number[]): Promise<{ metrics: number[]; sum: Float64Array }> {
    const metrics: number[] = [];
    const sum = new Float64Array(this.#change.length);
    const changes = at.map((a) => () => this.#change.map((x) => (a - 1) * x));
    for await (const found of gradientsAt(this.#parts, this.#run.sae.hookOut, changes)) {
      found.gradient.forEach((g, i) => sum[i] += g);
      metrics.push(found.metric);
    }
    return { metrics, sum };
  }
}
