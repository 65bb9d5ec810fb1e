import type { FileSource } from "../../lib/weights/files/file_source.ts";
import type { TensorInfo, TensorStore } from "../../lib/weights/tensors/tensors.ts";

/** A tensor in memory. */
export interface MemoryTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What can be done to a read before it ends: waiting, throwing. */
export type Before = (method: string, names: readonly string[]) => Promise<void> | void;

/** A store of tensors in memory, one after another in one "file"; reads are noted. */
export interface MemoryStore extends TensorStore {
  /** Every read as `method name,name,…`. */
  readonly reads: string[];
}

/** Makes a store. A read fills its buffer only after `before` has ended. */
export function memoryStore(tensors: Readonly<Record<string, MemoryTensor>>, before?: Before): MemoryStore {
  const infos = new Map<string, TensorInfo>();
  let offset = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    infos.set(name, { name, dtype: "F32", shape, file: "memory", offset, byteLength: data.byteLength });
    offset += data.byteLength;
  }
  const find = (name: string): MemoryTensor => {
    if (!tensors[name]) throw new RangeError(`No tensor ${name}`);
    return tensors[name];
  };
  const reads: string[] = [];
  const start = async (method: string, names: readonly string[]): Promise<void> => {
    reads.push(`${method} ${names}`);
    await before?.(method, names);
  };
  const rowsOf = ({ shape, data }: MemoryTensor, rows: readonly number[], into?: Float32Array): Float32Array => {
    const width = data.length / shape[0];
    const out = (into ?? new Float32Array(rows.length * width)).subarray(0, rows.length * width);
    rows.forEach((row, i) => {
      if (!(row >= 0 && row < shape[0])) throw new RangeError(`No row ${row}`);
      out.set(data.subarray(row * width, (row + 1) * width), i * width);
    });
    return out;
  };
  return {
    source: { location: "memory" } as unknown as FileSource,
    tensors: infos,
    place: () => undefined,
    reads,
    async readMany(names, into): Promise<Float32Array[]> {
      await start("readMany", names);
      const size = names.reduce((sum, name) => sum + find(name).data.length, 0);
      const buffer = into ?? new Float32Array(size);
      let at = 0;
      return names.map((name) => {
        const { data } = find(name);
        buffer.set(data, at);
        return buffer.subarray(at, at += data.length);
      });
    },
    async read(name, into): Promise<Float32Array> {
      return (await this.readMany([name], into))[0];
    },
    async readRowRange(name, first, end, into): Promise<Float32Array> {
      await start(`readRowRange ${first} ${end}`, [name]);
      return rowsOf(find(name), Array.from({ length: end - first }, (_, i) => first + i), into);
    },
    readColumnRange: () => Promise.reject(new Error("not used here")),
    async readRows(name, rows, into): Promise<Float32Array> {
      await start(`readRows ${Array.from(rows)}`, [name]);
      return rowsOf(find(name), Array.from(rows), into);
    },
  };
}
