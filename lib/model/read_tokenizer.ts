/**
 * A model's tokenizer from its files.
 *
 * @module
 */
import type { FileSource } from "../weights/source.ts";
import { createTokenizer, type ModelTokenizer } from "./tokenizer.ts";

/**
 * Reads `tokenizer.json` and `tokenizer_config.json`.
 *
 * @param config `config.json`, which has the ids of special tokens that the tokenizer's files leave open
 * @returns undefined if the model has no tokenizer
 * @throws {SyntaxError} if a file is malformed
 */
export async function readTokenizer(
  source: FileSource,
  config: Readonly<Record<string, unknown>>,
): Promise<ModelTokenizer | undefined> {
  if (await source.size("tokenizer.json") === undefined) return undefined;
  const hasConfig = await source.size("tokenizer_config.json") !== undefined;
  const [tokenizerJson, tokenizerConfigJson] = await Promise.all([
    source.readText("tokenizer.json"),
    hasConfig ? source.readText("tokenizer_config.json") : undefined,
  ]);
  const id = (key: string): number | undefined => {
    const value = Array.isArray(config[key]) ? config[key][0] : config[key];
    return typeof value === "number" ? value : undefined;
  };
  return createTokenizer({ tokenizerJson, tokenizerConfigJson }, {
    bosTokenId: id("bos_token_id"),
    eosTokenId: id("eos_token_id"),
    decoderStartTokenId: id("decoder_start_token_id"),
  });
}
