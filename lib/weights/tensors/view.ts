/**
 * Tensors of any file under SAELens's names: renamed, transposed, scaled while they are read, never as a whole.
 *
 * @module
 */
import { excerpt } from "../../quote.ts";
import type { ByteRange } from "../files/ranges.ts";
import type { Stored, Wanted } from "./stored.ts";
import { FLOAT_BYTES, type FloatDtype, isFloatDtype, readFloats } from "./floats.ts";
import type { FileSource } from "../files/file_source.ts";
import type { TensorInfo, TensorStore } from "./tensors.ts";
import { readTransposed } from "./transposed.ts";

/** A tensor under SAELens's name: one of the file, or a vector of one number. */
export interface View {
  readonly stored?: Stored;
  readonly shape: readonly number[];
  /** The matrix in the file has this one's rows as columns. */
  readonly transposed: boolean;
  /** Numbers at the beginning of each row in the file that are not part of it. */
  readonly skipped?: number;
  /** What is done with each number when it is read. */
  readonly each?: (value: number) => number;
  /** The file in the directory that it comes from. */
  readonly path: string;
}

/** A tensor as it is. */
export function same(stored: Stored, each?: (value: number) => number): View {
  return { stored, shape: stored.shape, transposed: false, each, path: stored.path };
}

/** A matrix with rows and columns exchanged; what is no matrix stays. */
export function transposed(stored: Stored, each?: (value: number) => number): View {
  if (stored.shape.length !== 2) return same(stored, each);
  return { stored, shape: [...stored.shape].reverse(), transposed: true, each, path: stored.path };
}

/** A tensor of more dimensions as a matrix: all but the first side by side, without some columns at the beginning. */
export function flattened(stored: Stored, skipped: number = 0): View {
  const [rows, ...rest] = stored.shape;
  const shape = [rows, rest.reduce((product, size) => product * size, 1) - skipped];
  return { stored, shape, transposed: false, skipped, path: stored.path };
}

/** A vector of one number. */
export function filled(value: number, length: number, path: string): View {
  return { shape: [length], transposed: false, each: () => value, path };
}

/**
 * A store of views. Rows of a matrix that lies transposed in its file are columns there: they are read in blocks of
 * bounded size and turned in memory.
 *
 * @param source the directory; closing it ends the store
 */
export function viewStore(source: FileSource, views: Readonly<Record<string, View>>): TensorStore {
  const find = (name: string): Found => findView(source, views, name);
  const rows = async (found: Found, start: number, end: number, into?: Float32Array): Promise<Float32Array> => {
    check(found, "rows", start, end, found.rows);
    return await read(found, { kind: "rows", start, end }, (end - start) * found.width, into);
  };
  const whole = async (name: string, into?: Float32Array): Promise<Float32Array> => {
    const found = find(name);
    return await rows(found, 0, found.rows, into);
  };
  return {
    source,
    tensors: new Map(Object.entries(views).map(([name, view]) => [name, infoOf(name, view)])),
    place: (name) => {
      const { stored } = find(name).view;
      return stored && { source: stored.from, file: stored.file, offset: stored.offset, length: stored.byteLength };
    },
    readMany: async (names, into) => {
      const views: Float32Array[] = [];
      let start = 0;
      for (const name of names) {
        views.push(await whole(name, into?.subarray(start)));
        start += views[views.length - 1].length;
      }
      return views;
    },
    read: whole,
    readRowRange: async (name, start, end, into) => await rows(find(name), start, end, into),
    readColumnRange: async (name, start, end, into) => {
      const found = find(name);
      if (found.view.shape.length !== 2) throw new RangeError(`Cannot read columns of "${name}": it is no matrix`);
      check(found, "columns", start, end, found.width);
      return await read(found, { kind: "columns", start, end }, found.rows * (end - start), into);
    },
    readRows: async (name, list, into) => {
      const found = find(name);
      for (let i = 0; i < list.length; i++) {
        check(found, "rows", list[i], list[i] + 1, found.rows);
        if (i > 0 && list[i] <= list[i - 1]) {
          throw new RangeError(`Cannot read rows of "${name}": row ${list[i]} follows ${list[i - 1]}`);
        }
      }
      return await read(found, { kind: "list", list }, list.length * found.width, into);
    },
  };
}

interface Found {
  readonly name: string;
  readonly view: View;
  readonly rows: number;
  readonly width: number;
}

function findView(source: FileSource, views: Readonly<Record<string, View>>, name: string): Found {
  if (!Object.hasOwn(views, name)) {
    throw new RangeError(
      `Cannot find tensor "${name}" in ${source.location}: it has ${excerpt(Object.keys(views).join(", "))}`,
    );
  }
  const view = views[name];
  const rows = view.shape.length === 0 ? 1 : view.shape[0];
  return { name, view, rows, width: view.shape.slice(1).reduce((product, size) => product * size, 1) };
}

function check({ name, view }: Found, what: string, start: number, end: number, size: number): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end && end <= size) return;
  throw new RangeError(`Cannot read ${what} ${start} to ${end} of tensor "${name}": its shape is [${view.shape}]`);
}

async function read(found: Found, wanted: Wanted, length: number, into?: Float32Array): Promise<Float32Array> {
  const { name, view: { stored, each, transposed } } = found;
  const dtype = stored && readable(name, stored); // before anything is allocated
  if (into && into.length < length) {
    throw new RangeError(`Cannot read tensor ${name}: ${length} numbers do not fit into an array of ${into.length}`);
  }
  const buffer = into ? into.subarray(0, length) : new Float32Array(length);
  if (stored && dtype && length > 0) {
    if (isTurned(stored, transposed)) {
      await readTransposed(stored, dtype, found.rows, found.width, wanted, buffer);
    } else await readFloats(stored.from, stored.file, dtype, partsOf(found, stored.offset, dtype, wanted), buffer);
  }
  if (each) { for (let i = 0; i < length; i++) buffer[i] = each(buffer[i]); }
  return buffer;
}

function readable(name: string, { dtype, order, path }: Stored): FloatDtype {
  if (!isFloatDtype(dtype)) throw new TypeError(`Cannot read tensor "${name}" as float32: its dtype is ${dtype}`);
  if (order === "other") {
    throw new RangeError(`Cannot read tensor "${name}" of ${path}: it was saved as a view; save .contiguous()`);
  }
  return dtype;
}

function isTurned({ order, shape }: Stored, transposed: boolean): boolean {
  return shape.length === 2 && (order === "F") !== transposed;
}

/** The parts of a file that hold the wanted part of a matrix whose rows lie one after another. */
function partsOf({ rows, width, view }: Found, offset: number, dtype: FloatDtype, wanted: Wanted): ByteRange[] {
  const bytes = FLOAT_BYTES[dtype];
  const { skipped = 0 } = view;
  const begin = (row: number): number => row * (width + skipped) + skipped;
  const part = (first: number, length: number): ByteRange => ({
    offset: offset + first * bytes,
    length: length * bytes,
  });
  switch (wanted.kind) {
    case "rows":
      return skipped === 0
        ? [part(wanted.start * width, (wanted.end - wanted.start) * width)]
        : Array.from({ length: wanted.end - wanted.start }, (_, i) => part(begin(wanted.start + i), width));
    case "columns":
      return Array.from({ length: rows }, (_, r) => part(begin(r) + wanted.start, wanted.end - wanted.start));
    case "list":
      return Array.from(wanted.list, (row) => part(begin(row), width));
  }
}

function infoOf(name: string, { stored, shape, path, transposed }: View): TensorInfo {
  const { dtype = "F32", offset = 0, byteLength = 0 } = stored ?? {};
  const turned = stored !== undefined && isTurned(stored, transposed);
  return { name, dtype, shape, file: path, offset, byteLength, ...(turned ? { turned } : {}) };
}
