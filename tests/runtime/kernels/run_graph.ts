import type { Graph } from "../../../lib/graph/mod.ts";
import type { Runtime } from "../../../lib/runtime/runtime.ts";
import type { FloatTensor, Tensor } from "../../../lib/runtime/tensor.ts";
import { count, draw } from "../../graph/numbers.ts";

let sessions = 0;

/** Runs a graph under a key of its own. */
export async function runGraph(
  runtime: Runtime,
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
): Promise<Record<string, FloatTensor>> {
  const session = await runtime.session(`test ${sessions++}`, () => graph);
  return await session.run(inputs) as Record<string, FloatTensor>;
}

/** Random numbers in [−1.5, 1.5). */
export function randomTensor(random: () => number, dims: readonly number[]): FloatTensor {
  return { dims, data: Float32Array.from({ length: count(dims) }, () => draw(random, "all")) };
}
