import { input, type Value, vjp, type VjpOptions } from "../../lib/graph/mod.ts";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import { compile, count, type Feeds, type Numbers, sizesOf, uniform } from "./numbers.ts";

/**
 * Gradients by `vjp` against central differences of the same graph, both in float64.
 *
 * With step h = 3e-6 the difference quotient is wrong by h²/6 · f‴ ≈ 2e-12 · f‴ (truncation) and about
 * 2⁻⁵³ · |f| / h ≈ 4e-11 · |f| (rounding of a sum of a few dozen terms of order 1, so up to 1e-9 here). The largest
 * error is a whole block's 5e-9, and grows with h² (5e-8 at 1e-5): it is the quotient's. TOLERANCE is an order above.
 */
export const STEP = 3e-6;

/** Relative to the largest element of the gradient. */
export const TOLERANCE = 1e-7;

/** What is differentiated. */
export interface Differentiated {
  readonly outputs: readonly Value[];
  /** With respect to these values … */
  readonly wrt: readonly Value[];
  /** … which are moved by moving these graph inputs (the same ones, or deltas added to them). */
  readonly moved: readonly string[];
  readonly feeds: Feeds;
  readonly options?: VjpOptions;
  /** Move whole inputs along one random direction, not every element: for large graphs. */
  readonly directional?: boolean;
}

/** The name of the cotangent of an output. */
export const cotangent = (i: number): string => `cotangent:${i}`;

/** The cotangents of outputs as graph inputs. */
export function cotangents(outputs: readonly Value[]): Value[] {
  return outputs.map((output, i) => input(cotangent(i), output.shape));
}

/** Random numbers for {@linkcode cotangents}. */
export function cotangentFeeds(outputs: readonly Value[], seed: number): Record<string, Numbers> {
  const random = uniform(seed);
  return Object.fromEntries(outputs.map(({ shape }, i) => {
    const dims = sizesOf(shape);
    return [cotangent(i), { dims, data: Float64Array.from({ length: count(dims) }, () => 2 * random() - 1) }];
  }));
}

/** The largest error of the gradients of Σ cotangent · output, as a part of each gradient's largest element, by input. */
export async function gradientErrors(runtime: Runtime, task: Differentiated): Promise<Map<string, number>> {
  const { outputs, wrt, moved, feeds } = task;
  const duals = cotangentFeeds(outputs, 77);
  const gradients = vjp(outputs, cotangents(outputs), wrt, task.options);
  const graph = Object.fromEntries(gradients.flatMap((g, i): [string, Value][] => g ? [[`${i}`, g]] : []));
  const analytic = Object.keys(graph).length === 0 ? {} : await (await compile(runtime, graph))({ ...feeds, ...duals });
  const forward = await compile(runtime, Object.fromEntries(outputs.map((output, i) => [`${i}`, output])));
  const value = async (changed: Feeds): Promise<Float64Array> => {
    const found = await forward({ ...feeds, ...changed });
    return Float64Array.from(outputs.flatMap((_, i) => [...found[i].data]));
  };
  const weights = Float64Array.from(outputs.flatMap((_, i) => [...duals[cotangent(i)].data]));
  const errors = new Map<string, number>();
  for (const [i, name] of moved.entries()) {
    const at = feeds[name] as Numbers;
    const gradient = analytic[i] ? analytic[i].data : new Float64Array(at.data.length);
    if (analytic[i] && analytic[i].dims.join() !== at.dims.join()) {
      throw new Error(`The gradient at ${name} has the dimensions ${analytic[i].dims}, not ${at.dims}`);
    }
    const along = async (direction: Float64Array): Promise<number> => {
      const shifted = (h: number): Feeds => ({
        [name]: { dims: at.dims, data: at.data.map((x, k) => x + h * direction[k]) },
      });
      const [above, below] = [await value(shifted(STEP)), await value(shifted(-STEP))];
      return weights.reduce((sum, w, k) => sum + w * (above[k] - below[k]), 0) / (2 * STEP);
    };
    errors.set(name, task.directional ? await directionError(gradient, along) : await elementError(gradient, along));
  }
  return errors;
}

type Along = (direction: Float64Array) => Promise<number>;

async function elementError(gradient: Float64Array, along: Along): Promise<number> {
  let worst = 0;
  let largest = 0;
  for (let k = 0; k < gradient.length; k++) {
    const direction = new Float64Array(gradient.length);
    direction[k] = 1;
    const quotient = await along(direction);
    worst = larger(worst, Math.abs(gradient[k] - quotient));
    largest = larger(largest, Math.abs(quotient));
  }
  return ratio(worst, largest);
}

async function directionError(gradient: Float64Array, along: Along): Promise<number> {
  const random = uniform(gradient.length);
  // Some elements stay, so that an error at an element cannot hide in all directions.
  const direction = gradient.map(() => random() < 0.3 ? 0 : 2 * random() - 1);
  const quotient = await along(direction);
  const terms = gradient.map((g, k) => g * direction[k]);
  const size = Math.max(Math.abs(quotient), Math.hypot(...terms));
  return ratio(Math.abs(terms.reduce((a, b) => a + b, 0) - quotient), size);
}

const larger = (a: number, b: number): number => Number.isNaN(b) || b > a ? b : a;

// Where the gradient is 0, so is the quotient, exactly or but for its rounding.
const ratio = (error: number, size: number): number => error === 0 ? 0 : error / Math.max(size, 1e-3);
