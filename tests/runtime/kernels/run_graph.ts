import assert from "node:assert/strict";
import type { Graph } from "../../../lib/graph/mod.ts";
import { openEngine } from "../../../lib/runtime/kernels/engine.ts";
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

/** Waits until so many threads are ready to run the next program. */
export async function threadsReady(count: number): Promise<void> {
  const engine = await openEngine();
  for (let turn = 0; engine.threads < count; turn++) {
    assert.ok(turn < 1000, `${engine.threads} threads after 10 seconds, not ${count}`);
    engine.grow(count); // one may have ended while another started
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
