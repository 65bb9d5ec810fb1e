/**
 * Text to token ids and back, from the `tokenizer.json` of any Hugging Face model.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { Tokenizer } from "../deps/tokenizers.ts";
import { PartialTokenizer } from "./partial_tokenizer.ts";
import {
  parseTokenizerConfig,
  parseTokenizerJson,
  SPECIAL_TOKEN_ROLES,
  type SpecialTokens,
  type TokenizerDocument,
} from "./tokenizer_files.ts";
import { likelySpellings } from "./token_spellings.ts";
import { byteNotation, escapeParts, tokenBytes } from "./token_bytes.ts";

/** The longest text that `encode` takes, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 10_000_000;

/** How many pieces of a text an error message lists. */
const MAX_LISTED_PIECES = 8;

/**
 * The tokenizer's files as text.
 *
 * @example From a model directory
 * ```ts
 * import type { TokenizerFiles } from "./tokenizer.ts";
 *
 * const files: TokenizerFiles = { tokenizerJson: "{}", tokenizerConfigJson: '{ "bos_token": "<s>" }' };
 * ```
 */
export interface TokenizerFiles {
  /** The text of `tokenizer.json`. */
  tokenizerJson: string;
  /** The text of `tokenizer_config.json`, where the model has one. */
  tokenizerConfigJson?: string;
}

/**
 * Token ids of the model's own `config.json`, for what `tokenizer_config.json` leaves open.
 *
 * @example GPT-2, whose `tokenizer_config.json` on the hub names no tokens
 * ```ts
 * import type { TokenizerOptions } from "./tokenizer.ts";
 *
 * const options: TokenizerOptions = { bosTokenId: 50256, eosTokenId: 50256 };
 * ```
 */
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
  /**
   * The id of a text that is exactly one token. Throws a RangeError that lists the pieces otherwise, with `hint` (the
   * name of the option that takes an id instead) in its advice.
   */
  singleToken(text: string, hint?: string): number;
}

/**
 * Builds a tokenizer from a model's files. Nothing in them is evaluated; what cannot be read is a SyntaxError.
 *
 * @example The ids of a text
 * ```ts
 * import assert from "node:assert/strict";
 * import { createTokenizer } from "./tokenizer.ts";
 *
 * const tokenizerJson = JSON.stringify({
 *   model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2, "<s>": 3 }, merges: ["a b"] },
 *   added_tokens: [{ id: 3, content: "<s>", special: true }],
 *   normalizer: null,
 *   pre_tokenizer: null,
 *   post_processor: null,
 *   decoder: { type: "Fuse" },
 * });
 * const tokenizer = createTokenizer({ tokenizerJson, tokenizerConfigJson: '{ "bos_token": "<s>" }' });
 * assert.deepEqual(tokenizer.encode("aab<s>"), [0, 2, 3]);
 * assert.equal(tokenizer.tokenText(2), "ab");
 * assert.equal(tokenizer.bosId, 3);
 * ```
 */
export function createTokenizer(files: TokenizerFiles, options: TokenizerOptions = {}): ModelTokenizer {
  const json = parseTokenizerJson(files.tokenizerJson);
  const config = parseTokenizerConfig(files.tokenizerConfigJson ?? "{}");
  const { tokenizer, partial } = build(json, config.document);
  const { bosId, specialIds } = resolveSpecialTokens(
    (token) => {
      partial?.readyForToken(token);
      return tokenizer.token_to_id(token);
    },
    config.specialTokens,
    options,
  );

  const encode = (text: string): number[] => {
    checkText(text);
    partial?.readyForText(text);
    // The ids hold a gap for each piece that the vocabulary cannot spell where there is no unk token.
    return tokenizer.encode(text, { add_special_tokens: false }).ids.filter((id) => id !== undefined);
  };
  const tokenText = (id: number): string => {
    if (!Number.isSafeInteger(id) || id < 0) {
      throw new RangeError(`Cannot decode token id ${id}: give a whole number from 0 to ${json.vocabSize - 1}`);
    }
    partial?.readyForId(id);
    if (tokenizer.id_to_token(id) === undefined) return "";
    return tokenizer.decode([id], { skip_special_tokens: false, clean_up_tokenization_spaces: false });
  };
  const notation = byteNotation(json.document.decoder);
  const added = tokenizer.get_added_tokens_decoder();
  const displayText = (id: number): string => {
    const text = tokenText(id);
    // Of all tokens, only those that hold a part of a character decode to U+FFFD; added ones are written out.
    if (notation === undefined || !text.includes("\ufffd") || added.has(id)) return text;
    const bytes = tokenBytes(tokenizer.id_to_token(id)!, notation);
    return bytes === undefined ? text : escapeParts(bytes) ?? text;
  };
  const { unk_token: unknown, unk_id: unigramUnknown } = json.document.model;
  const unknownId = typeof unknown === "string" ? tokenizer.token_to_id(unknown) : unigramUnknown;
  /** The token that a text is, and not the one that stands for what the vocabulary does not have. */
  const onlyToken = (text: string): number | undefined => {
    const ids = encode(text);
    const isUnknown = ids[0] === unknownId && ids.length > 0 && text !== tokenText(ids[0]);
    return ids.length > 1 || isUnknown ? undefined : ids[0];
  };
  const singleToken = (text: string, hint?: string): number => {
    const found = onlyToken(text);
    if (found !== undefined) return found;
    // A token without text of its own (the space that Llama strips) shows as the vocabulary spells it.
    const pieces = encode(text).map((id) => displayText(id) || (tokenizer.id_to_token(id) ?? ""));
    const other = text === "" ? undefined : likelySpellings(text).find((t) => onlyToken(t) !== undefined);
    throw new RangeError(notOneToken(text, pieces.length === 1 ? [] : pieces, other, hint));
  };
  return { vocabSize: json.vocabSize, bosId, specialIds, encode, tokenText, displayText, singleToken };
}

/** A tokenizer, and where it has not all of its vocabulary yet what makes it ready. */
interface Built {
  readonly tokenizer: Tokenizer;
  readonly partial?: PartialTokenizer;
}

function build({ document, index }: TokenizerDocument, config: object): Built {
  try {
    if (!index) return { tokenizer: new Tokenizer(document, config) };
    const partial = new PartialTokenizer({ document, index }, config);
    return { tokenizer: partial.tokenizer, partial };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SyntaxError(
      `Cannot read tokenizer.json: ${reason.split("\n", 1)[0]}: use a file that Hugging Face tokenizers wrote`,
      { cause: error },
    );
  }
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
  const listed = pieces.slice(0, MAX_LISTED_PIECES).map(quote).join(", ") + more;
  const suggestion = other === undefined ? "" : ` (${quote(other)} is a single token)`;
  if (pieces.length === 0) {
    return `${quote(text)} is no token: give a text that is one token, or give ${byId}${suggestion}`;
  }
  return `${quote(text)} is ${pieces.length} tokens (${listed}): choose one, or give ${byId}${suggestion}`;
}
