/**
 * What of a model's files a question will read.
 *
 * @module
 */
import type { Architecture } from "../../../models/family.ts";
import type { FileSource } from "../../weights/files/file_source.ts";
import { type Need, someRows, wholeTensors } from "../../weights/tensors/needs.ts";
import type { TensorStore } from "../../weights/tensors/tensors.ts";

/** What is known of a question before it is asked. */
export interface Asked {
  /** How many tokens the prompt has, or about. */
  readonly tokens: number;
  /** Whether all logits are wanted: predictions, or a metric over the vocabulary. Otherwise those of a few tokens are. */
  readonly allLogits: boolean;
}

/** The tokenizer, rows of the embedding, every block, the final norm, and the unembedding or a few of its rows. */
export async function modelNeeds(
  source: FileSource,
  store: TensorStore,
  { embedding, unembedding, config, ...architecture }: Architecture,
  { tokens, allLogits }: Asked,
): Promise<Need[]> {
  const blocks = Array.from({ length: config.nLayers }, (_, layer) => architecture.blockWeights(layer));
  const names = [...blocks, architecture.finalWeights()].flatMap((refs) => Object.values(refs)).map(({ name }) => name);
  const head = unembedding.find(({ name }) => store.tensors.has(name))!.name;
  const file = "tokenizer.json";
  const length = await source.size(file);
  return [
    ...(length === undefined ? [] : [{ what: "tokenizer", place: { source, file, offset: 0, length } }]),
    ...someRows(store, "embedding", embedding.tokens.name, tokens),
    ...(embedding.positions ? someRows(store, "embedding", embedding.positions.name, tokens) : []),
    ...wholeTensors(store, "blocks", names),
    ...(allLogits ? wholeTensors(store, "unembedding", [head]) : someRows(store, "unembedding", head, 2)),
  ];
}
