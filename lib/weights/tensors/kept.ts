/**
 * A store of tensors of which one stays in memory once it has been read.
 *
 * @module
 */
import { countElements } from "../formats/safetensors.ts";
import type { TensorStore } from "./tensors.ts";

/** The same store, with rows of one tensor taken from memory. It is read whole when its first row is asked for. */
export function keepTensor(store: TensorStore, kept: string): TensorStore {
  let reading: Promise<Float32Array> | undefined;
  const { shape } = store.tensors.get(kept)!;
  const width = countElements(shape) / shape[0];
  const whole = (): Promise<Float32Array> => reading ??= store.read(kept);
  const into = (buffer: Float32Array | undefined, size: number): Float32Array =>
    buffer ? buffer.subarray(0, size) : new Float32Array(size);
  return {
    source: store.source,
    tensors: store.tensors,
    place: (name) => store.place(name),
    readMany: (names, buffer) => store.readMany(names, buffer),
    read: (name, buffer) => store.read(name, buffer),
    readColumnRange: (name, start, end, buffer) => store.readColumnRange(name, start, end, buffer),
    async readRowRange(name, start, end, buffer) {
      if (name !== kept) return await store.readRowRange(name, start, end, buffer);
      const rows = (await whole()).subarray(start * width, end * width);
      const out = into(buffer, rows.length);
      out.set(rows);
      return out;
    },
    async readRows(name, rows, buffer) {
      if (name !== kept) return await store.readRows(name, rows, buffer);
      const data = await whole();
      const out = into(buffer, rows.length * width);
      for (let i = 0; i < rows.length; i++) out.set(data.subarray(rows[i] * width, (rows[i] + 1) * width), i * width);
      return out;
    },
  };
}
