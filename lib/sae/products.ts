/**
 * Products with a matrix that stays on disk, a few of its rows at a time.
 *
 * @module
 */
import { add, input, matMul, swapLast } from "../graph/mod.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { type DeviceTensor, type FloatTensor, isOnDevice, type Tensor, toHost } from "../runtime/tensor.ts";
import { readAhead } from "../weights/tensors/read_ahead.ts";
import type { TensorStore } from "../weights/tensors/tensors.ts";

/** Where matrices are, and what multiplies. */
export interface Matrices {
  readonly runtime: Runtime;
  readonly store: TensorStore;
}

/**
 * x · Mᵀ for M `[m, n]`, a slice of its columns after another.
 *
 * @param x `[row, n]`
 * @param visit takes `[row, end − start]`, columns `start` to `end`
 */
export async function visitProducts(
  { runtime, store }: Matrices,
  name: string,
  x: Float32Array,
  visit: (products: Float32Array, start: number, end: number) => void,
): Promise<void> {
  const [, n] = store.tensors.get(name)!.shape;
  const session = await runtime.session({
    products: matMul(input("x", ["row", n]), swapLast(input("matrix", ["slice", n]))),
  });
  const rows: Tensor = { dims: [x.length / n, n], data: x };
  await eachSlice({ runtime, store }, name, runtime.sliceBytes, async (data, start, end) => {
    const { products } = await session.run({ x: rows, matrix: { dims: [end - start, n], data } });
    visit((products as FloatTensor).data, start, end);
  });
}

/** x · Mᵀ + bias, `[row, m]`, for M `[m, n]`: torch's Linear. */
export async function linear(
  matrices: Matrices,
  name: string,
  x: Float32Array,
  bias?: Float32Array,
): Promise<Float32Array> {
  const [m, n] = matrices.store.tensors.get(name)!.shape;
  const out = new Float32Array(x.length / n * m);
  await visitProducts(matrices, name, x, (products, start, end) => {
    products.forEach((product, i) => {
      const r = Math.floor(i / (end - start));
      const column = start + i - r * (end - start);
      out[r * m + column] = product + (bias?.[column] ?? 0);
    });
  });
  return out;
}

/**
 * x · M, `[row, n]`, for x `[row, m]` and M `[m, n]`.
 *
 * @param sliceBytes the most bytes of M in memory at once, twice
 */
export async function timesMatrix(
  { runtime, store }: Matrices,
  name: string,
  x: Float32Array,
  sliceBytes: number = runtime.sliceBytes,
): Promise<Float32Array> {
  const [m, n] = store.tensors.get(name)!.shape;
  const rows = x.length / m;
  const session = await runtime.session({
    sum: add(
      input("before", ["row", "column"]),
      matMul(input("x", ["row", "slice"]), input("matrix", ["slice", "column"])),
    ),
  });
  let sum: FloatTensor | DeviceTensor = { dims: [rows, n], data: new Float32Array(rows * n) };
  await eachSlice({ runtime, store }, name, sliceBytes, async (data, start, end) => {
    const part = new Float32Array(rows * (end - start));
    for (let r = 0; r < rows; r++) part.set(x.subarray(r * m + start, r * m + end), r * (end - start));
    const matrix: Tensor = { dims: [end - start, n], data };
    const before = sum;
    const outputs = await session.run({ before, x: { dims: [rows, end - start], data: part }, matrix }, ["sum"]);
    sum = outputs.sum as FloatTensor | DeviceTensor;
    if (isOnDevice(before)) before.release();
  });
  const { data } = await toHost(sum);
  if (isOnDevice(sum)) sum.release();
  return data;
}

function eachSlice(
  { runtime, store }: Matrices,
  name: string,
  sliceBytes: number,
  visit: (data: Float32Array, start: number, end: number) => Promise<void>,
): Promise<void> {
  const [m, n] = store.tensors.get(name)!.shape;
  const step = Math.min(m, Math.max(1, Math.floor(sliceBytes / 4 / n)));
  const read = (start: number, end: number, into: Float32Array): Promise<Float32Array> =>
    store.readRowRange(name, start, end, into);
  return readAhead(m, step, step * n, read, visit, runtime.memory);
}
