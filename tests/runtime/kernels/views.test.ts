import assert from "node:assert/strict";
import {
  broadcast,
  collapse,
  isContiguous,
  permuted,
  reshaped,
  rowMajor,
  sizeOf,
  sliced,
  type View,
  wholeView,
} from "../../../lib/runtime/kernels/views.ts";
import { uniform } from "../../graph/numbers.ts";

/** All indices of some dimensions, in row-major order. */
function indices(dims: readonly number[]): number[][] {
  return dims.reduce<number[][]>(
    (found, dim) => found.flatMap((index) => Array.from({ length: dim }, (_, i) => [...index, i])),
    [[]],
  );
}

/** Where the elements of a view lie, in row-major order. */
function places({ offset, dims, strides }: View): number[] {
  return indices(dims).map((index) => index.reduce((sum, i, axis) => sum + i * strides[axis], offset));
}

/** An array as nested indices know it: what stands where, without strides. */
interface Naive {
  readonly dims: readonly number[];
  readonly at: (index: readonly number[]) => number;
}

const elements = ({ dims, at }: Naive): number[] => indices(dims).map(at);

/** Whether numbers in row-major order of some dimensions lie at a fixed distance along every axis. */
function hasStrides(found: readonly number[], dims: readonly number[]): boolean {
  if (found.length === 0) return true;
  const steps = rowMajor(dims);
  const strides = dims.map((dim, axis) => dim > 1 ? found[steps[axis]] - found[0] : 0);
  return indices(dims).every((index, flat) =>
    found[flat] === index.reduce((sum, i, axis) => sum + i * strides[axis], found[0])
  );
}

Deno.test("views of views, against indices", () => {
  const random = uniform(51);
  const below = (n: number): number => Math.floor(random() * n);
  const tried = { reshaped: 0, copied: 0 };
  for (let turn = 0; turn < 3000; turn++) {
    const dims = Array.from({ length: below(5) }, () => [0, 1, 1, 2, 3, 4, 6][below(60) === 0 ? 0 : 1 + below(6)]);
    let view = wholeView(7, dims);
    const flat = rowMajor(dims);
    let naive: Naive = { dims, at: (index) => index.reduce((sum, i, axis) => sum + i * flat[axis], 0) };
    for (let step = 0; step < 5; step++) {
      const rank = view.dims.length;
      const before = naive;
      const kind = below(4);
      if (kind === 0) {
        const left = view.dims.map((_, axis) => axis);
        const permutation = view.dims.map(() => left.splice(below(left.length), 1)[0]);
        view = permuted(view, permutation);
        naive = {
          dims: permutation.map((axis) => before.dims[axis]),
          at: (index) => before.at(permutation.map((_, axis) => index[permutation.indexOf(axis)])),
        };
      } else if (kind === 1 && rank > 0) {
        const axis = below(rank);
        const start = below(view.dims[axis] + 1);
        const end = start + below(view.dims[axis] - start + 1);
        view = sliced(view, axis, start, end);
        naive = {
          dims: before.dims.map((dim, i) => i === axis ? end - start : dim),
          at: (index) => before.at(index.map((at, i) => i === axis ? at + start : at)),
        };
      } else if (kind === 2 && sizeOf(view.dims) < 300) {
        const extra = below(2);
        const wide = [
          ...Array.from({ length: extra }, () => 1 + below(3)),
          ...view.dims.map((dim) => dim === 1 ? 1 + below(3) : dim),
        ];
        view = broadcast(view, wide);
        naive = {
          dims: wide,
          at: (index) => before.at(index.slice(extra).map((at, axis) => before.dims[axis] === 1 ? 0 : at)),
        };
      } else if (kind === 3) {
        // The same number of elements, cut into other axes.
        let left = sizeOf(view.dims);
        const other: number[] = [];
        while (left > 1) {
          const factors = [2, 3, 4, 6, left].filter((factor) => left % factor === 0);
          other.push(factors[below(factors.length)]);
          left /= other.at(-1)!;
        }
        if (left === 0) other.push(0);
        for (let ones = below(3); ones > 0; ones--) other.splice(below(other.length + 1), 0, 1);
        const made = reshaped(view, other);
        const want = elements(before);
        if (!made) {
          assert.ok(!hasStrides(want, other), `[${view.dims}] by [${view.strides}] to [${other}] needs no copy`);
          tried.copied++;
          continue;
        }
        tried.reshaped++;
        view = made;
        const steps = rowMajor(other);
        naive = { dims: other, at: (index) => want[index.reduce((sum, i, axis) => sum + i * steps[axis], 0)] };
      }
      const want = elements(naive);
      assert.equal(view.buffer, 7);
      assert.deepEqual([...view.dims], [...naive.dims]);
      assert.equal(view.strides.length, view.dims.length);
      assert.deepEqual(places(view), want, `turn ${turn}, step ${step}, kind ${kind}`);
      const inOrder = want.every((place, i) => place === want[0] + i);
      assert.equal(isContiguous(view) || want.length === 0, inOrder, `[${view.dims}] by [${view.strides}]`);
    }
  }
  assert.ok(tried.reshaped > 500 && tried.copied > 100, JSON.stringify(tried));
});

Deno.test("fewer axes, the same elements for every operand", () => {
  const random = uniform(52);
  const below = (n: number): number => Math.floor(random() * n);
  let fewer = 0;
  for (let turn = 0; turn < 2000; turn++) {
    const dims = Array.from({ length: below(5) }, () => 1 + below(4));
    const operands = Array.from({ length: 1 + below(3) }, () => {
      const left = dims.map((_, axis) => axis);
      const permutation = random() < 0.6 ? left : dims.map(() => left.splice(below(left.length), 1)[0]);
      const own = permutation.map((axis) => random() < 0.2 ? 1 : dims[axis]);
      const turned = permuted(wholeView(0, own), dims.map((_, axis) => permutation.indexOf(axis)));
      return broadcast(turned, dims);
    });
    const { dims: kept, strides } = collapse(dims, operands.map((view) => view.strides));
    assert.ok(kept.length >= 1, "one axis at least");
    assert.ok(kept.length === 1 || kept.every((dim) => dim > 1), `[${kept}]`);
    assert.equal(strides.length, operands.length);
    if (kept.length < dims.filter((dim) => dim > 1).length) fewer++;
    for (const [i, view] of operands.entries()) {
      assert.deepEqual(places({ ...view, dims: kept, strides: strides[i] }), places(view), `[${dims}] to [${kept}]`);
    }
    // Nothing that could be one axis is two.
    for (let axis = 0; axis + 1 < kept.length; axis++) {
      assert.ok(strides.some((own) => own[axis] !== own[axis + 1] * kept[axis + 1]), `[${kept}]`);
    }
  }
  assert.ok(fewer > 300, `${fewer}`);
  assert.deepEqual(collapse([], [[], []]), { dims: [1], strides: [[1], [1]] });
  assert.deepEqual(collapse([1, 1], [[5, 3]]), { dims: [1], strides: [[1]] });
  assert.equal(sizeOf(collapse([2, 0, 3], [[0, 3, 1]]).dims), 0);
});
