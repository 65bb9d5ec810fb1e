import assert from "node:assert/strict";
import type { Graph } from "../../../lib/graph/mod.ts";
import { openEngine } from "../../../lib/runtime/kernels/engine.ts";
import type { Runtime } from "../../../lib/runtime/runtime.ts";
import type { FloatTensor, Tensor } from "../../../lib/runtime/tensor.ts";
import { count, draw } from "../../graph/numbers.ts";

/** Runs a graph under a key of its own. */
export async function runGraph(
  runtime: Runtime,
  graph: Graph,
  inputs: Readonly<Record<string, Tensor>>,
): Promise<Record<string, FloatTensor>> {
  const session = await runtime.session(graph);
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

/** Fails at the first number that differs: a list of all differences of many numbers takes minutes. */
export function assertSame(got: Float32Array, want: Float32Array, what: string): void {
  assert.equal(got.length, want.length, what);
  const at = got.findIndex((x, i) => !Object.is(x, want[i]));
  if (at >= 0) assert.fail(`${what}: number ${at} is ${got[at]}, not ${want[at]}`);
}

/** The same of tensors by name. */
export function assertSameTensors(
  got: Readonly<Record<string, Tensor>>,
  want: Readonly<Record<string, Tensor>>,
  what: string,
): void {
  assert.deepEqual(Object.keys(got), Object.keys(want), what);
  for (const [name, { dims, data }] of Object.entries(want)) {
    assert.deepEqual([...got[name].dims], [...dims], `${name} of ${what}`);
    assertSame(got[name].data as Float32Array, data as Float32Array, `${name} of ${what}`);
  }
}
