/**
 * Strided views of buffers: transposing, slicing, stretching and most reshaping copy nothing.
 *
 * @module
 */

/** Numbers of a buffer by index: element (i, j, …) lies at `offset + i · strides[0] + j · strides[1] + …`. */
export interface View {
  /** Which buffer. */
  readonly buffer: number;
  /** In numbers, as are the strides; a stride of 0 repeats. */
  readonly offset: number;
  readonly dims: readonly number[];
  readonly strides: readonly number[];
}

/** How many elements. */
export const sizeOf = (dims: readonly number[]): number => dims.reduce((a, b) => a * b, 1);

/** The strides of elements one after another, the last axis innermost. */
export function rowMajor(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length);
  let stride = 1;
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= dims[axis];
  }
  return strides;
}

/** A wholeView buffer. */
export const wholeView = (buffer: number, dims: readonly number[]): View => ({
  buffer,
  offset: 0,
  dims,
  strides: rowMajor(dims),
});

/** Whether the elements lie one after another. */
export function isContiguous({ dims, strides }: View): boolean {
  const expected = rowMajor(dims);
  return dims.every((dim, axis) => dim === 1 || strides[axis] === expected[axis]);
}

/** Axis `permutation[i]` becomes axis `i`. */
export const permuted = (view: View, permutation: readonly number[]): View => ({
  ...view,
  dims: permutation.map((axis) => view.dims[axis]),
  strides: permutation.map((axis) => view.strides[axis]),
});

/** Elements [start, end) of an axis. */
export const sliced = (view: View, axis: number, start: number, end: number): View => ({
  ...view,
  offset: view.offset + start * view.strides[axis],
  dims: view.dims.map((dim, i) => i === axis ? end - start : dim),
});

/** Broadcast to dimensions, as in numpy. */
export function broadcast(view: View, dims: readonly number[]): View {
  const extra = dims.length - view.dims.length;
  return {
    ...view,
    dims,
    strides: dims.map((dim, axis) => {
      const own = axis - extra;
      return own < 0 || (view.dims[own] === 1 && dim !== 1) ? 0 : view.strides[own];
    }),
  };
}

/** The same elements in other dimensions, if that needs no copy. */
export function reshaped(view: View, dims: readonly number[]): View | undefined {
  if (sizeOf(dims) === 0) return { ...view, dims, strides: rowMajor(dims) };
  const { dims: own, strides: [strides] } = collapse(view.dims, [view.strides]);
  const found = new Array<number>(dims.length);
  let axis = own.length - 1;
  let left = own[axis];
  let stride = strides[axis];
  for (let i = dims.length - 1; i >= 0; i--) {
    if (dims[i] === 1) {
      found[i] = 0;
      continue;
    }
    if (left === 1 && axis > 0) {
      left = own[--axis];
      stride = strides[axis];
    }
    if (left % dims[i] !== 0) return undefined;
    found[i] = stride;
    stride *= dims[i];
    left /= dims[i];
  }
  return { ...view, dims, strides: found };
}

/**
 * Fewer axes for the same elements: axes of 1 go, and neighbours become one where every operand allows it.
 *
 * @param strides of each operand
 * @returns one axis at least
 */
export function collapse(
  dims: readonly number[],
  strides: readonly (readonly number[])[],
): { dims: number[]; strides: number[][] } {
  const merged: number[] = [];
  const found: number[][] = strides.map(() => []);
  dims.forEach((dim, axis) => {
    if (dim === 1) return;
    const last = merged.length - 1;
    if (last >= 0 && strides.every((own, i) => found[i][last] === own[axis] * dim)) {
      merged[last] *= dim;
      found.forEach((own, i) => own[last] = strides[i][axis]);
    } else {
      merged.push(dim);
      found.forEach((own, i) => own.push(strides[i][axis]));
    }
  });
  if (merged.length === 0) return { dims: [1], strides: strides.map(() => [1]) };
  return { dims: merged, strides: found };
}
