/**
 * A model's tokenizer from its files.
 *
 * @module
 */
import type { FileSource } from "../../weights/files/file_source.ts";
import { createTokenizer, type ModelTokenizer } from "../tokenizer.ts";

/** What may stand beside `tokenizer.json`. */
const OTHER_FILES = ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/**
 * Reads `tokenizer.json` and the files beside it.
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
  const [tokenizerJson, tokenizerConfigJson, specialTokensMapJson, addedTokensJson] = await Promise.all([
    source.readText("tokenizer.json"),
    ...OTHER_FILES.map(async (file) => await source.size(file) === undefined ? undefined : await source.readText(file)),
  ]) as [string, ...(string | undefined)[]];
  const id = (key: string): number | undefined => {
    const value = Array.isArray(config[key]) ? config[key][0] : config[key];
    return typeof value === "number" ? value : undefined;
  };
  return createTokenizer({ tokenizerJson, tokenizerConfigJson, specialTokensMapJson, addedTokensJson }, {
    bosTokenId: id("bos_token_id"),
    eosTokenId: id("eos_token_id"),
    decoderStartTokenId: id("decoder_start_token_id"),
  });
}
