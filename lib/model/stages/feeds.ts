/**
 * What a pass's stages take beside their weights and the stream: embedding rows, masks, rotary positions.
 *
 * @module
 */
import type { Feeds, Pass, PromptRows } from "./pass.ts";
import { type FloatTensor, joined } from "../../runtime/tensor.ts";
import type { TensorStore } from "../../weights/tensors/tensors.ts";
import type { Architecture, MaskSpec } from "../../../models/family.ts";
import { isSameRotary, rotaryTables } from "./rotary.ts";

/** The token that stands where a shorter prompt has ended; nothing that is asked for sees it. */
const PADDING = 0;

/** @throws {RangeError} if a token is not in the vocabulary */
export function checkTokens(tokens: readonly number[], { config: { dVocab } }: Architecture): void {
  const wrong = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= dVocab);
  if (wrong !== undefined) throw new RangeError(`Token id ${wrong} is not in the vocabulary of ${dVocab}`);
}

/**
 * What the embedding takes: `tokens` and, where positions are embedded, `positions`, `[batch, position, d_model]`.
 *
 * @throws {RangeError} if a token is not in the vocabulary
 */
export async function embeddingFeeds(
  architecture: Architecture,
  store: TensorStore,
  { request: { prompts, cache }, length }: Pass,
): Promise<Feeds> {
  checkTokens(prompts.flat(), architecture);
  const { config: { dModel }, embedding } = architecture;
  const tokens = prompts.flatMap((ids) => [...ids, ...new Array<number>(length - ids.length).fill(PADDING)]);
  const unique = [...new Set(tokens)].sort((a, b) => a - b);
  const at = new Map(unique.map((id, i) => [id, i]));
  const rows = await store.readRows(embedding.tokens.name, unique);
  const data = new Float32Array(tokens.length * dModel);
  tokens.forEach((id, p) => data.set(rows.subarray(at.get(id)! * dModel, (at.get(id)! + 1) * dModel), p * dModel));
  const feeds: Feeds = { tokens: { dims: [prompts.length, length, dModel], data } };
  if (embedding.positions) {
    const start = cache?.length ?? 0;
    const positions = await store.readRowRange(embedding.positions.name, start, start + length);
    feeds.positions = tile({ dims: [1, length, dModel], data: positions }, prompts.length);
  }
  return feeds;
}

/** What blocks take: the same at every layer, so made once per pass. `rows`: with queries at these only. */
export function positionalFeeds(architecture: Architecture, pass: Pass, rows?: PromptRows): Feeds {
  const made = pass.positional.get(rows);
  if (made) return made;
  const { length: n, request: { prompts, cache } } = pass;
  const start = cache?.length ?? 0;
  const all = Array.from({ length: n }, (_, i) => i);
  const perPrompt = (make: (rows: readonly number[]) => FloatTensor): FloatTensor =>
    rows ? stack(rows.map(make)) : tile(make(all), prompts.length);
  const feeds: Feeds = {};
  for (const [name, spec] of Object.entries(architecture.masks)) {
    const keys = cache ? cache.seen(start + n) : n;
    feeds[name] = perPrompt((queries) => additiveMask(keys, spec, queries.map((query) => start + query)));
  }
  for (const [name, spec] of Object.entries(architecture.rotary)) {
    const lengths = prompts.map((prompt) => start + prompt.length);
    const tables = lengths.map((length, at) =>
      at > 0 && isSameRotary(spec, length, lengths[0]) ? undefined : rotaryTables(n, spec, length, start)
    );
    for (const part of ["cos", "sin"] as const) {
      feeds[`${name}:${part}`] = stack(tables.map((made) => (made ?? tables[0]!)[part]));
    }
  }
  if (rows && !cache) feeds.rows = stack(rows.map((queries) => selectionMatrix(queries, n)));
  pass.positional.set(rows, feeds);
  return feeds;
}

/** What is added to the scores where a query must not look; finite, so that no NaN can arise. */
export const MASKED = -1e30;

/** A causal additive mask `[1, 1, query, key]`, for all queries or for some rows. */
export function additiveMask(n: number, { window }: MaskSpec, rows?: readonly number[]): FloatTensor {
  const queries = rows ?? Array.from({ length: n }, (_, i) => i);
  const data = new Float32Array(queries.length * n);
  queries.forEach((query, i) => {
    data.fill(MASKED, i * n + query + 1, (i + 1) * n);
    if (window !== undefined && query >= window) data.fill(MASKED, i * n, i * n + query - window + 1);
  });
  return { dims: [1, 1, queries.length, n], data };
}

/** The matrix `[1, row, position]` whose product with the stream is the stream at some rows. */
function selectionMatrix(rows: readonly number[], n: number): FloatTensor {
  const data = new Float32Array(rows.length * n);
  rows.forEach((row, i) => data[i * n + row] = 1);
  return { dims: [1, rows.length, n], data };
}

/** `[batch, position, d]` at some positions of each prompt, one prompt after another: `[1, row, d]`. */
export function gatherRows({ dims, data }: FloatTensor, rows: readonly (readonly number[])[]): FloatTensor {
  const [, n, d] = dims;
  const flat = rows.flatMap((ofPrompt, b) => ofPrompt.map((row) => (b * n + row) * d));
  const out = new Float32Array(flat.length * d);
  flat.forEach((from, i) => out.set(data.subarray(from, from + d), i * d));
  return { dims: [1, flat.length, d], data: out };
}

/** The opposite of {@linkcode gatherRows}: zeros elsewhere. */
export function scatterRows(
  { dims, data }: FloatTensor,
  rows: readonly (readonly number[])[],
  n: number,
): FloatTensor {
  const d = dims[dims.length - 1];
  const out = new Float32Array(rows.length * n * d);
  putRows(out, n, { dims, data }, rows);
  return { dims: [rows.length, n, d], data: out };
}

/** A stream `[1, position, d]` for every prompt, with other values `[batch, row, d]` at some rows. */
export function withRows({ dims: [, n, d], data }: FloatTensor, values: FloatTensor, rows: PromptRows): FloatTensor {
  const out = joined(rows.map(() => data));
  putRows(out, n, values, rows);
  return { dims: [rows.length, n, d], data: out };
}

/** Puts values, one row after another, at their rows of `[batch, position, d]`. */
function putRows(out: Float32Array, n: number, { dims, data }: FloatTensor, rows: PromptRows): void {
  const d = dims[dims.length - 1];
  let at = 0;
  rows.forEach((ofPrompt, b) => {
    for (const row of ofPrompt) out.set(data.subarray(at * d, ++at * d), (b * n + row) * d);
  });
}

/** Tensors `[1, …]` one after another: `[batch, …]`. */
export function stack(parts: readonly FloatTensor[]): FloatTensor {
  const [{ dims: [, ...rest] }] = parts;
  return { dims: [parts.length, ...rest], data: joined(parts.map(({ data }) => data)) };
}

/** A batch repeated: `[copies · batch, …]`. */
export function tile({ dims: [batch, ...rest], data }: FloatTensor, copies: number): FloatTensor {
  if (copies === 1) return { dims: [batch, ...rest], data };
  const out = new Float32Array(copies * data.length);
  for (let i = 0; i < copies; i++) out.set(data, i * data.length);
  return { dims: [copies * batch, ...rest], data: out };
}
