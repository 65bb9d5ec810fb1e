/**
 * What a pass's stages take beside their weights and the stream: embedding rows, masks, rotary positions.
 *
 * @module
 */
import type { Architecture } from "../../../models/family.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { TensorStore } from "../../weights/tensors/tensors.ts";
import type { Feeds, Pass } from "./pass.ts";
import { additiveMask, rotaryTables, selectionMatrix, stack, tile } from "./rows.ts";

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
  { request: { prompts }, length }: Pass,
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
    const positions = await store.readRowRange(embedding.positions.name, 0, length);
    feeds.positions = tile({ dims: [1, length, dModel], data: positions }, prompts.length);
  }
  return feeds;
}

/** What blocks take: the same at every layer, so made once per pass. `selected`: with queries at the rows only. */
export function positionalFeeds(architecture: Architecture, pass: Pass, selected: boolean): Feeds {
  const made = pass.positional.get(selected);
  if (made) return made;
  const { length: n, request: { rows, prompts } } = pass;
  const perPrompt = (make: (rows?: readonly number[]) => FloatTensor): FloatTensor =>
    selected ? stack(rows.map(make)) : tile(make(), prompts.length);
  const feeds: Feeds = {};
  for (const [name, spec] of Object.entries(architecture.masks)) {
    feeds[name] = perPrompt((queries) => additiveMask(n, spec, queries));
  }
  for (const [name, spec] of Object.entries(architecture.rotary)) {
    const { cos, sin } = rotaryTables(n, spec);
    feeds[`${name}:cos`] = tile(cos, prompts.length);
    feeds[`${name}:sin`] = tile(sin, prompts.length);
  }
  if (selected) feeds.rows = stack(rows.map((queries) => selectionMatrix(queries, n)));
  pass.positional.set(selected, feeds);
  return feeds;
}
