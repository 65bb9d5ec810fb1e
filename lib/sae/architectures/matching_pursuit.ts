import { quote } from "../../quote.ts";
import type { Json } from "../../settings.ts";
import { CFG, type PursuitSettings, type SaeConfig } from "../config.ts";
import { visitProducts } from "../products.ts";
import { NonFiniteActivation, type SparseActivations } from "../sparse.ts";
import type { CommonSettings, OwnEncoded, OwnEncoding, SaeArchitecture } from "./architecture.ts";

/** More than any search takes. */
const MAX_ITERATIONS = 2 ** 16;

/**
 * Matching pursuit SAE (Costa et al. 2025, arXiv 2506.03093), tied: step by step the feature whose decoder row has the
 * largest product with what is left of the input; that product is added to its activation and its row taken away. As in
 * SAELens, b_dec is only part of the output where it is taken off the input.
 */
export const matchingPursuit: SaeArchitecture = {
  vectors: [],
  adds: ({ applyBDecToInput }) => applyBDecToInput,
  folding: "threshold",
  readSettings,
  encode,
};

/** When a search ends, with SAELens's defaults. */
function readSettings(cfg: Json, { dIn, normScalingFactor: folded = 1 }: CommonSettings): Pick<SaeConfig, "pursuit"> {
  const residualThreshold = cfg.residual_threshold ?? 0.01;
  if (typeof residualThreshold !== "number" || !Number.isFinite(residualThreshold)) {
    throw new TypeError(`cfg.json: "residual_threshold" is ${quote(residualThreshold)}, not a number`);
  }
  const maxIterations = cfg.max_iterations ?? undefined;
  return {
    pursuit: {
      residualThreshold: residualThreshold / folded,
      maxIterations: maxIterations === undefined ? dIn : CFG.size(cfg, "max_iterations", MAX_ITERATIONS),
      stopOnDuplicateSupport: CFG.flag(cfg, "stop_on_duplicate_support") ?? true,
    },
  };
}

async function encode(encoding: OwnEncoding): Promise<OwnEncoded> {
  const { z, rows, store, config: { dIn: d, pursuit } } = encoding;
  const settings = pursuit!;
  const residual = z.slice();
  const found = Array.from({ length: rows }, () => new Map<number, number>());
  let live = Array.from({ length: rows }, (_, r) => r);
  for (let step = 0; step < settings.maxIterations && live.length > 0; step++) {
    const best = await largestProducts(encoding, gather(residual, live, d), live);
    const unique = [...new Set(best)].sort((a, b) => a - b);
    const weights = await store.readRows("W_dec", unique);
    const at = new Map(unique.map((feature, i) => [feature, i * d]));
    live = live.filter((r, i) => {
      const row = residual.subarray(r * d, (r + 1) * d);
      const from = at.get(best[i])!;
      return takeAway(row, weights.subarray(from, from + d), best[i], found[r], settings);
    });
  }
  return { activations: toSparse(found) };
}

/** For each vector, the feature whose decoder row has the largest product with it (ties: the first). */
async function largestProducts(
  encoding: OwnEncoding,
  vectors: Float32Array,
  rows: readonly number[],
): Promise<Uint32Array> {
  const [best, most] = [new Uint32Array(rows.length), new Float64Array(rows.length).fill(-Infinity)];
  await visitProducts(encoding, "W_dec", vectors, (products, start, end) => {
    products.forEach((product, i) => {
      const r = Math.floor(i / (end - start));
      const feature = start + i - r * (end - start);
      if (product - product !== 0) throw new NonFiniteActivation({ feature, value: product, row: rows[r] });
      if (product > most[r]) [most[r], best[r]] = [product, feature];
    });
  });
  return best;
}

/** One step of one row; whether there is a next one. */
function takeAway(
  row: Float32Array,
  direction: Float32Array,
  feature: number,
  found: Map<number, number>,
  { residualThreshold, stopOnDuplicateSupport }: PursuitSettings,
): boolean {
  let product = 0;
  for (let i = 0; i < row.length; i++) product += row[i] * direction[i];
  const value = Math.fround(product);
  if (value <= 0) return false; // nothing changes from here on
  const isNew = !found.has(feature);
  found.set(feature, Math.fround((found.get(feature) ?? 0) + value));
  let square = 0;
  for (let i = 0; i < row.length; i++) {
    row[i] -= value * direction[i];
    square += row[i] ** 2;
  }
  if (stopOnDuplicateSupport && !isNew) return false;
  return !(residualThreshold > 0 && Math.sqrt(square) < residualThreshold);
}

function gather(data: Float32Array, rows: readonly number[], d: number): Float32Array {
  const gathered = new Float32Array(rows.length * d);
  rows.forEach((r, i) => gathered.set(data.subarray(r * d, (r + 1) * d), i * d));
  return gathered;
}

function toSparse(found: readonly ReadonlyMap<number, number>[]): SparseActivations {
  const entries = found.map((row) => [...row].sort(([a], [b]) => a - b));
  const offsets = new Uint32Array(found.length + 1);
  entries.forEach((row, r) => offsets[r + 1] = offsets[r] + row.length);
  const all = entries.flat();
  return {
    rows: found.length,
    offsets,
    features: Uint32Array.from(all, ([feature]) => feature),
    values: Float32Array.from(all, ([, value]) => value),
  };
}
