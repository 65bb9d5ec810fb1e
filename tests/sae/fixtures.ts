import type { SaeConfig } from "../../lib/sae/config.ts";
import { readSaeConfig } from "../../lib/sae/read_config.ts";
import type { TensorStore } from "../../lib/weights/tensors/tensors.ts";
import { openSource } from "../../lib/weights/files/source.ts";

/** What the tests of lib/sae share: SAEs whose tensors are functions of the indices, so that size costs nothing. */

/** An element by row and column; vectors are one row. */
export type Element = (row: number, column: number) => number;

/** A number in [−1, 1) that depends on nothing but its arguments. */
export function noise(...seeds: readonly number[]): number {
  let h = 0x9e3779b9;
  for (const seed of seeds) {
    h = Math.imul(h ^ seed, 0x85ebca6b);
    h ^= h >>> 13;
    h = Math.imul(h, 0xc2b2ae35);
    h ^= h >>> 16;
  }
  return (h >>> 0) / 2 ** 31 - 1;
}

/** A store over functions. `reads` counts what was asked of W_enc and W_dec in one piece. */
export function functionStore(
  tensors: Readonly<Record<string, { shape: readonly number[]; at: Element }>>,
): TensorStore & { readonly reads: { name: string; numbers: number }[] } {
  const reads: { name: string; numbers: number }[] = [];
  const fill = (
    name: string,
    rows: ArrayLike<number>,
    [start, end]: readonly [number, number],
    into?: Float32Array,
  ): Promise<Float32Array> => {
    const width = end - start;
    reads.push({ name, numbers: rows.length * width });
    const data = into?.subarray(0, rows.length * width) ?? new Float32Array(rows.length * width);
    const { at } = tensors[name];
    for (let r = 0; r < rows.length; r++) {
      for (let c = 0; c < width; c++) data[r * width + c] = at(rows[r], start + c);
    }
    return Promise.resolve(data);
  };
  const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i);
  const matrix = (name: string): readonly [number, number] => {
    const { shape } = tensors[name];
    return shape.length === 1 ? [1, shape[0]] : [shape[0], shape[1]];
  };
  const read = (name: string, into?: Float32Array): Promise<Float32Array> => {
    const [rows, columns] = matrix(name);
    return fill(name, range(0, rows), [0, columns], into);
  };
  return {
    reads,
    source: openSource(".."),
    place: () => undefined,
    tensors: new Map(
      Object.entries(tensors).map(([name, { shape }]) => {
        const byteLength = 4 * shape.reduce((a, b) => a * b, 1);
        return [name, { name, dtype: "F32", shape, file: "none", offset: 0, byteLength }];
      }),
    ),
    readMany: (names) => Promise.all(names.map((name) => read(name))),
    read,
    readRowRange: (name, start, end, into) => fill(name, range(start, end), [0, matrix(name)[1]], into),
    readColumnRange: (name, start, end, into) => fill(name, range(0, matrix(name)[0]), [start, end], into),
    readRows: (name, rows, into) => fill(name, rows, [0, matrix(name)[1]], into),
  };
}

/** A checked config from few settings. */
export function config(settings: Record<string, unknown>, metadata: Record<string, unknown> = {}): SaeConfig {
  return readSaeConfig({
    d_in: 4,
    d_sae: 6,
    apply_b_dec_to_input: !String(settings.architecture).includes("transcoder"),
    metadata: { hook_name: "blocks.0.hook_resid_pre", hook_name_out: "blocks.0.hook_mlp_out", ...metadata },
    ...settings,
  });
}

/** Noise tensors of the shapes that a standard SAE has. */
export function noiseTensors(
  { dIn, dOut, dSae }: SaeConfig,
): Record<"W_enc" | "W_dec" | "b_enc" | "b_dec", { shape: number[]; at: Element }> {
  return {
    W_enc: { shape: [dIn, dSae], at: (r, c) => noise(1, r, c) },
    W_dec: { shape: [dSae, dOut], at: (r, c) => noise(2, r, c) },
    b_enc: { shape: [dSae], at: (_, c) => noise(3, c) },
    b_dec: { shape: [dOut], at: (_, c) => noise(4, c) },
  };
}

/** Rows of noise `[row, d]`. */
export function noiseRows(rows: number, d: number, seed = 5): Float32Array {
  return Float32Array.from({ length: rows * d }, (_, i) => noise(seed, i));
}
