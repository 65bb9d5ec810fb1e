/**
 * Runs programs. Every thread goes through the same instructions and takes units of each one's work until there are none
 * left. What a number becomes does not depend on who does it.
 *
 * @module
 */
import { matMul } from "./execute_matmul.ts";
import {
  countOf,
  isSharedAt,
  type Kind,
  kindAt,
  nextAt,
  offsetOf,
  type Operands,
  operandsAt,
  takeUnit,
} from "./instructions.ts";
import type { Participant, ThreadContext } from "./thread_context.ts";

/** Elements of a unit of elementwise work, and of a kernel's call: slow code is replaced by fast code between calls. */
const UNIT_ELEMENTS = 8192;

type Run = (context: ThreadContext, at: number, participant: Participant) => void;

const RUN: { readonly [K in Kind]: Run } = {
  Map: map,
  CopyStrided: (context, at) => strided(context, at, operandsAt("CopyStrided", context.words, at), copyStrided),
  Log: (context, at) => strided(context, at, operandsAt("Log", context.words, at), logStrided),
  Rows: rows,
  LogSoftmax: logSoftmax,
  MatMul: matMul,
  Gather: gather,
  Scatter: scatter,
  Barrier: (_context, _at, { barrier }) => barrier(),
};

/** Runs the instructions in words [from, to). */
export function execute(context: ThreadContext, participant: Participant, from: number, to: number): void {
  const { words } = context;
  for (let at = from; at < to; at = nextAt(words, at)) {
    if (isSharedAt(words, at) || participant.rank === 0) RUN[kindAt(words, at)](context, at, participant);
  }
}

/**
 * Goes through the units of an elementwise instruction that this thread takes.
 *
 * @param run is given a row, by its index along the outer axes, and elements [first, first + length) of it
 */
function eachRun(
  words: Int32Array,
  at: number,
  { rank, dims }: Pick<Operands<"Map">, "rank" | "dims">,
  run: (row: number, first: number, length: number) => void,
): void {
  const count = countOf(words, dims, rank - 1);
  const n = words[dims + rank - 1];
  const chunks = Math.ceil(n / UNIT_ELEMENTS); // of a row
  const rowsPerUnit = chunks > 1 ? 1 : Math.floor(UNIT_ELEMENTS / n);
  const units = chunks > 1 ? count * chunks : Math.ceil(count / rowsPerUnit);
  for (let unit = takeUnit(words, at); unit < units; unit = takeUnit(words, at)) {
    const firstRow = chunks > 1 ? Math.floor(unit / chunks) : unit * rowsPerUnit;
    const first = chunks > 1 ? (unit - firstRow * chunks) * UNIT_ELEMENTS : 0;
    const length = Math.min(UNIT_ELEMENTS, n - first);
    for (let row = firstRow; row < Math.min(count, firstRow + rowsPerUnit); row++) run(row, first, length);
  }
}

function map({ words, kernelTable }: ThreadContext, at: number): void {
  const found = operandsAt("Map", words, at);
  const { operands, out, a, b, c, rank, dims, outStrides, aStrides, bStrides, cStrides } = found;
  const kernel = kernelTable[found.kernel];
  const inner = rank - 1;
  const address = (start: number, strides: number, row: number, first: number): number =>
    start + offsetOf(words, row, inner, dims, strides) + first * words[strides + inner];
  eachRun(words, at, found, (row, first, length) => {
    const toOut = address(out, outStrides, row, first);
    const toA = address(a, aStrides, row, first);
    if (operands === 1) return kernel(toOut, toA, length);
    const toB = address(b, bStrides, row, first);
    if (operands === 2) return kernel(toOut, toA, toB, length);
    kernel(toOut, toA, toB, address(c, cStrides, row, first), length);
  });
}

/** A kernel in JavaScript, on one operand; places and strides are in numbers. */
type StridedKernel = (
  floats: Float32Array,
  to: number,
  toStep: number,
  from: number,
  fromStep: number,
  n: number,
) => void;

const copyStrided: StridedKernel = (floats, to, toStep, from, fromStep, n) => {
  for (let i = 0; i < n; i++, to += toStep, from += fromStep) floats[to] = floats[from];
};

const logStrided: StridedKernel = (floats, to, toStep, from, fromStep, n) => {
  for (let i = 0; i < n; i++, to += toStep, from += fromStep) floats[to] = Math.log(floats[from]);
};

function strided(
  { words, floats }: ThreadContext,
  at: number,
  found: Operands<"CopyStrided">,
  kernel: StridedKernel,
): void {
  const { out, a, rank, dims, outStrides, aStrides } = found;
  const inner = rank - 1;
  const [outStep, aStep] = [words[outStrides + inner] >> 2, words[aStrides + inner] >> 2];
  eachRun(words, at, found, (row, first, length) => {
    const to = (out + offsetOf(words, row, inner, dims, outStrides)) >>> 2;
    const from = (a + offsetOf(words, row, inner, dims, aStrides)) >>> 2;
    kernel(floats, to + first * outStep, outStep, from + first * aStep, aStep, length);
  });
}

/** Goes through the rows of an instruction that this thread takes. */
function eachRow(
  words: Int32Array,
  at: number,
  { out, outStride, n, a, rank, dims, strides }: Operands<"LogSoftmax">,
  run: (to: number, from: number) => void,
): void {
  const count = countOf(words, dims, rank);
  const rowsPerUnit = Math.max(1, Math.floor(UNIT_ELEMENTS / 2 / Math.max(1, n)));
  for (let first = takeUnit(words, at) * rowsPerUnit; first < count; first = takeUnit(words, at) * rowsPerUnit) {
    for (let row = first; row < Math.min(count, first + rowsPerUnit); row++) {
      run(out + row * outStride, a + offsetOf(words, row, rank, dims, strides));
    }
  }
}

function rows({ words, kernelTable }: ThreadContext, at: number): void {
  const found = operandsAt("Rows", words, at);
  const kernel = kernelTable[found.kernel];
  eachRow(words, at, found, (to, from) => kernel(to, from, found.n));
}

function logSoftmax({ words, kernels, floats, scratch }: ThreadContext, at: number): void {
  const found = operandsAt("LogSoftmax", words, at);
  const { n } = found;
  eachRow(words, at, found, (to, from) => {
    kernels.LargestAndSum(scratch, from, n);
    kernels.Sub_vs(to, from, scratch, n); // first the largest: near it, that is exact
    floats[scratch / 4 + 1] = Math.log(floats[scratch / 4 + 1]);
    kernels.Sub_vs(to, to, scratch + 4, n);
  });
}

function checkedIndex(index: number, n: number): number {
  const at = index < 0 ? index + n : index;
  if (at < 0 || at >= n) throw new RangeError(`No element ${index} among ${n}`);
  return at;
}

function gather({ words, floats }: ThreadContext, at: number): void {
  const { out, from, indices, rows, nFrom, nOut } = operandsAt("Gather", words, at);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < nOut; i++) {
      const index = checkedIndex(words[(indices >>> 2) + row * nOut + i], nFrom);
      floats[(out >>> 2) + row * nOut + i] = floats[(from >>> 2) + row * nFrom + index];
    }
  }
}

function scatter({ words, floats }: ThreadContext, at: number): void {
  const { out, from, indices, rows, nFrom, nOut } = operandsAt("Scatter", words, at);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < nFrom; i++) {
      const index = checkedIndex(words[(indices >>> 2) + row * nFrom + i], nOut);
      floats[(out >>> 2) + row * nOut + index] += floats[(from >>> 2) + row * nFrom + i];
    }
  }
}
