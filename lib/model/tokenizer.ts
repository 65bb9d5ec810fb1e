/**
 * Text to token ids and back, from the `tokenizer.json` of any Hugging Face model.
 *
 * @module
 */
import { excerpt, quote } from "../quote.ts";
import { byteNotation, escapeParts, likelySpellings, tokenBytes } from "./tokenizer/token_bytes.ts";
import {
  mergedConfig,
  parseTokenizerConfig,
  readSpecialTokens,
  SPECIAL_TOKEN_ROLES,
  type SpecialTokens,
} from "./tokenizer/tokenizer_files.ts";
import { Pipeline } from "./tokenizer/pipeline.ts";
import type { FileSource } from "../weights/files/file_source.ts";

/** The longest text that `encode` takes, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 10_000_000;

/** How many pieces of a text an error message lists. */
const MAX_LISTED_PIECES = 8;

/** The tokenizer's files as text. */
export interface TokenizerFiles {
  /** The text of `tokenizer.json`. */
  tokenizerJson: string;
  /** The text of `tokenizer_config.json`, where the model has one. */
  tokenizerConfigJson?: string;
  /** The text of `special_tokens_map.json`; it counts only where `tokenizer_config.json` has no `added_tokens_decoder`. */
  specialTokensMapJson?: string;
  /** The text of `added_tokens.json`; the same. */
  addedTokensJson?: string;
}

/** Token ids of the model's own `config.json`, for what `tokenizer_config.json` leaves open. */
export interface TokenizerOptions {
  /** `bos_token_id` of `config.json`. */
  bosTokenId?: number;
  /** `eos_token_id` of `config.json`; the first where it is a list. */
  eosTokenId?: number;
  /** `decoder_start_token_id` of `config.json`. */
  decoderStartTokenId?: number;
}

/**
 * A model's tokenizer.
 *
 * @example Print a text's tokens
 * ```ts
 * import type { ModelTokenizer } from "./tokenizer.ts";
 *
 * function tokens(tokenizer: ModelTokenizer, text: string): string[] {
 *   return tokenizer.encode(text).map((id) => tokenizer.tokenText(id));
 * }
 * ```
 */
export interface ModelTokenizer {
  /** The number of ids: the largest one plus 1. A model's own vocabulary may be padded beyond it. */
  readonly vocabSize: number;
  /** The token put in front of a prompt: bos where the tokenizer has one, else eos, as TransformerLens. */
  readonly bosId: number | undefined;
  /** Ids of the bos, eos, pad, sep and decoder start tokens, which are what SAELens excludes; unk is not in it. */
  readonly specialIds: ReadonlySet<number>;
  /**
   * The ids of `text`, with none added in front or behind. Special tokens written out in it (`<|endoftext|>`) get
   * their ids. Text that the vocabulary cannot spell is dropped where there is no unk token.
   */
  encode(text: string): number[];
  /**
   * The text of one id decoded alone, special tokens included: TransformerLens's `to_str_tokens`. Bytes that are no
   * UTF-8 by themselves show as U+FFFD; ids beyond the vocabulary have no text.
   */
  tokenText(id: number): string;
  /**
   * The same for people: where a token is a part of a character, its bytes as `\xE2\x82` and not U+FFFD. That is what
   * predictions, tables and reports show.
   */
  displayText(id: number): string;
  /** The text of ids together; a part of a character is U+FFFD, ids beyond the vocabulary have no text. */
  decode(ids: readonly number[]): string;
  /**
   * The id of a text that is exactly one token. Throws a RangeError that lists the pieces otherwise, with `hint` (the
   * name of the option that takes an id instead) in its advice.
   */
  singleToken(text: string, hint?: string): number;
}

/**
 * Builds a tokenizer from a model's files: what `tokenizer.json` says, as Python's tokenizers 0.23.3 does it, and the added
 * tokens of the other files, as transformers 5 adds them. Nothing in the files is evaluated; what cannot be read, and
 * parts that are not known exactly, are a SyntaxError.
 *
 * The file counts: what classes of transformers 5 such as LlamaTokenizer build from the vocabulary alone is not done. Its
 * truncation and padding are left out, as transformers leaves them to whoever encodes.
 */
export function createTokenizer(files: TokenizerFiles, options: TokenizerOptions = {}): ModelTokenizer {
  const { specialTokensMapJson, addedTokensJson } = files;
  const { document } = parseTokenizerConfig(files.tokenizerConfigJson ?? "{}");
  const config = mergedConfig(document, specialTokensMapJson);
  const pipeline = new Pipeline(files.tokenizerJson, { config, addedTokensJson });
  const named = readSpecialTokens(config);
  const { bosId, specialIds } = resolveSpecialTokens((token) => pipeline.id(token), named, options);
  const { vocabSize } = pipeline;

  const encode = (text: string): number[] => {
    checkText(text);
    return pipeline.encode(text.toWellFormed()); // half a surrogate pair is no character
  };
  const decode = (ids: readonly number[]): string =>
    pipeline.decode(ids.filter((id) => pipeline.token(id) !== undefined));
  const tokenText = (id: number): string => {
    if (!Number.isSafeInteger(id) || id < 0) {
      throw new RangeError(`Cannot decode token id ${id}: give a whole number from 0 to ${vocabSize - 1}`);
    }
    return decode([id]);
  };
  const notation = byteNotation(pipeline.decoderPart);
  const displayText = (id: number): string => {
    const text = tokenText(id);
    // Of all tokens, only those that hold a part of a character decode to U+FFFD; added ones are written out.
    if (notation === undefined || !text.includes("\ufffd") || pipeline.isAdded(id)) return text;
    const bytes = tokenBytes(pipeline.token(id)!, notation);
    return bytes === undefined ? text : escapeParts(bytes) ?? text;
  };
  /** The token that a text is, and not the one that stands for what the vocabulary does not have. */
  const onlyToken = (text: string): number | undefined => {
    const ids = encode(text);
    const isUnknown = ids[0] === pipeline.unknownId && ids.length > 0 && text !== tokenText(ids[0]);
    return ids.length > 1 || isUnknown ? undefined : ids[0];
  };
  const singleToken = (text: string, hint?: string): number => {
    const found = onlyToken(text);
    if (found !== undefined) return found;
    // A token without text of its own (the space that Llama strips) shows as the vocabulary spells it.
    const pieces = encode(text).map((id) => displayText(id) || (pipeline.token(id) ?? ""));
    const other = text === "" ? undefined : likelySpellings(text).find((t) => onlyToken(t) !== undefined);
    throw new RangeError(notOneToken(text, pieces.length === 1 ? [] : pieces, other, hint));
  };
  return { vocabSize, bosId, specialIds, encode, tokenText, displayText, decode, singleToken };
}

function resolveSpecialTokens(
  find: (token: string) => number | undefined,
  tokens: SpecialTokens,
  options: TokenizerOptions,
): { bosId: number | undefined; specialIds: ReadonlySet<number> } {
  const idOf = (content: string | null | undefined): number | undefined =>
    typeof content === "string" ? find(content) : undefined;
  const eosId = idOf(tokens.eos_token) ?? options.eosTokenId;
  // An explicit null says that there is no bos, whatever config.json holds: TransformerLens then takes eos.
  const configBosId = tokens.bos_token === null ? undefined : options.bosTokenId;
  const bosId = idOf(tokens.bos_token) ?? configBosId ?? eosId ?? options.bosTokenId;
  const named = SPECIAL_TOKEN_ROLES.map((role) => idOf(tokens[role]));
  const ids = [...named, bosId, eosId, options.decoderStartTokenId].filter((id) => id !== undefined);
  return { bosId, specialIds: new Set(ids) };
}

function checkText(text: string): void {
  if (typeof text !== "string") throw new TypeError(`Cannot encode a ${typeof text}: give the text as a string`);
  if (text.length > MAX_TEXT_LENGTH) {
    throw new RangeError(
      `Cannot encode a text of ${text.length} characters: the most is ${MAX_TEXT_LENGTH}, give a shorter one`,
    );
  }
}

function notOneToken(text: string, pieces: string[], other: string | undefined, hint: string | undefined): string {
  const byId = hint === undefined ? "its id" : hint;
  const more = pieces.length > MAX_LISTED_PIECES ? ", …" : "";
  const listed = pieces.slice(0, MAX_LISTED_PIECES).map((piece) => `"${excerpt(piece)}"`).join(", ") + more; // \xC2 as it is
  const suggestion = other === undefined ? "" : ` (${quote(other)} is a single token)`;
  if (pieces.length === 0) {
    return `${quote(text)} is no token: give a text that is one token, or give ${byId}${suggestion}`;
  }
  return `${quote(text)} is ${pieces.length} tokens (${listed}): choose one, or give ${byId}${suggestion}`;
}

/** `tokenizer.json` and what may stand beside it. */
const FILES = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"];

/**
 * Reads `tokenizer.json` and the files beside it; where there is none, `vocab.json` and `merges.txt`.
 *
 * @param config `config.json`, which has the ids of special tokens that the tokenizer's files leave open
 * @returns undefined if the model has no tokenizer
 * @throws {SyntaxError} if a file is malformed
 * @throws {RangeError} if there is a tokenizer in files that are not read
 */
export async function readTokenizer(
  source: FileSource,
  config: Readonly<Record<string, unknown>>,
): Promise<ModelTokenizer | undefined> {
  const [tokenizerJson, tokenizerConfigJson, specialTokensMapJson, addedTokensJson] = await Promise.all(
    FILES.map(async (file) => await source.size(file) === undefined ? undefined : await source.readText(file)),
  );
  const built = tokenizerJson === undefined
    ? await (await import(
      new URL("./tokenizer/merges_files.ts", import.meta.url).href
    ) as typeof import("./tokenizer/merges_files.ts")).readMergesFiles(source, config, tokenizerConfigJson)
    : { tokenizerJson, tokenizerConfigJson };
  if (built === undefined) return undefined;
  const id = (key: string): number | undefined => {
    const value = Array.isArray(config[key]) ? config[key][0] : config[key];
    return typeof value === "number" ? value : undefined;
  };
  return createTokenizer({ ...built, specialTokensMapJson, addedTokensJson }, {
    bosTokenId: id("bos_token_id"),
    eosTokenId: id("eos_token_id"),
    decoderStartTokenId: id("decoder_start_token_id"),
  });
}
