import type { Shape, Value } from "../../lib/graph/mod.ts";
import type { Runtime } from "../../lib/runtime/runtime.ts";
import type { Tensor } from "../../lib/runtime/tensor.ts";

/** What the tests of lib/graph share: seeded numbers, and graphs run in float64. */

/** A float64 array with its dimensions. */
export interface Numbers {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

/** Tensors by the name of the graph input that takes them. */
export type Feeds = Record<string, Tensor>;

/** The sizes that symbols stand for. All differ, so that a wrong axis cannot pass. */
export const SIZES: Readonly<Record<string, number>> = { batch: 2, position: 3, row: 4, vocab: 5 };

/** Uniform numbers in [0, 1), the same for the same seed (mulberry32). */
export function uniform(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Where numbers are drawn from: [0.3, 1.7), ±[0.3, 1.7) (away from kinks at 0), or [−1.5, 1.5). */
export type Domain = "positive" | "away" | "all";

/** A number of a domain. */
export function draw(random: () => number, domain: Domain): number {
  if (domain === "all") return 3 * random() - 1.5;
  const size = 0.3 + 1.4 * random();
  return domain === "positive" || random() < 0.5 ? size : -size;
}

/** The dimensions of a shape when the graph runs. */
export function sizesOf(shape: Shape): number[] {
  return shape.map((dim) => typeof dim === "number" ? dim : SIZES[dim]);
}

/** How many elements there are. */
export function count(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1);
}

/** Random numbers of a shape. */
export function randomNumbers(random: () => number, shape: Shape, domain: Domain = "all"): Numbers {
  const dims = sizesOf(shape);
  return { dims, data: Float64Array.from({ length: count(dims) }, () => draw(random, domain)) };
}

/** A graph compiled under a key of its own; its inputs may be given with others beside them. */
export async function compile(
  runtime: Runtime,
  graph: Readonly<Record<string, Value>>,
): Promise<(feeds: Feeds) => Promise<Record<string, Numbers>>> {
  const session = await runtime.session(graph);
  return async (feeds) => {
    const taken = Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]]));
    return await session.run(taken) as Record<string, Numbers>;
  };
}

/** Compiles and runs a graph once. */
export async function run(
  runtime: Runtime,
  graph: Readonly<Record<string, Value>>,
  feeds: Feeds,
): Promise<Record<string, Numbers>> {
  return await (await compile(runtime, graph))(feeds);
}

/** The largest difference as a part of the largest wanted value. */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) return Infinity;
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < want.length; i++) {
    const d = got[i] === want[i] ? 0 : Math.abs(got[i] - want[i]);
    difference = d > difference || Number.isNaN(d) ? d : difference;
    largest = Math.max(largest, Math.abs(want[i]));
  }
  return difference === 0 ? 0 : largest === 0 ? Infinity : difference / largest;
}
