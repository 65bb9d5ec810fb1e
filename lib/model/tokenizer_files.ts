/**
 * Reads the tokenizer's files and checks what a hostile or damaged one could use: kinds, and ids that would make a
 * table of billions of entries.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { indexVocabulary, type VocabularyIndex } from "./vocabulary_index.ts";

/** Far above any vocabulary (the largest have about 300,000 tokens). */
const MAX_TOKEN_ID = 16_777_215;

/** The special tokens that count, as `tokenizer_config.json` names them: SAELens's `get_special_token_ids`. */
export const SPECIAL_TOKEN_ROLES = ["bos_token", "eos_token", "pad_token", "sep_token", "decoder_start_token"] as const;

/** The text of each special token; null where the file says that there is none, absent where it says nothing. */
export type SpecialTokens = Partial<Record<typeof SPECIAL_TOKEN_ROLES[number], string | null>>;

/** A chat template as Jinja, or several by name; undefined where there is none. */
export type ChatTemplates = string | Readonly<Record<string, string>> | undefined;

/** What `tokenizer_config.json` says. */
export interface TokenizerConfig {
  /** All of it. */
  readonly document: object;
  /** The special tokens that count. */
  readonly specialTokens: SpecialTokens;
  /** Every special token's text by its name there (`unk_token`, `mask_token` too): what a chat template may write. */
  readonly templateTokens: Readonly<Record<string, string>>;
  /** The chat template. */
  readonly chatTemplates: ChatTemplates;
}

type JsonObject = Record<string, unknown>;

/** What `tokenizer.json` says. */
export interface TokenizerDocument {
  /** All of it; with an index, all but the model's vocabulary and merges. */
  readonly document: JsonObject & { readonly model: JsonObject };
  /** The vocabulary and merges of a byte-pair encoding. */
  readonly index?: VocabularyIndex;
  /** The largest id, plus 1. */
  readonly vocabSize: number;
}

/**
 * Reads `tokenizer.json` and counts its ids.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseTokenizerJson } from "./tokenizer_files.ts";
 *
 * assert.equal(parseTokenizerJson('{ "model": { "vocab": { "a": 0, "b": 1 } } }').vocabSize, 2);
 * ```
 */
export function parseTokenizerJson(text: string): TokenizerDocument {
  const indexed = indexVocabulary(text);
  const index = indexed && indexed.index.largestId <= MAX_TOKEN_ID ? indexed.index : undefined;
  const document = index ? indexed!.document : parseObject(text, "tokenizer.json");
  const { model } = document;
  if (!isObject(model)) throw malformed("tokenizer.json", "it has no model");
  const added = document.added_tokens ?? [];
  if (!Array.isArray(added)) throw malformed("tokenizer.json", "added_tokens is not a list");
  let largest = index?.largestId ?? -1;
  const count = (id: unknown, token: unknown): void => {
    if (!Number.isSafeInteger(id) || (id as number) < 0 || (id as number) > MAX_TOKEN_ID) {
      throw malformed(
        "tokenizer.json",
        `token ${quote(token)} has the id ${quote(id)}`,
      );
    }
    largest = Math.max(largest, id as number);
  };
  const { vocab } = model;
  if (Array.isArray(vocab)) vocab.forEach((entry, id) => count(id, entry)); // Unigram: [token, score] by id
  else if (isObject(vocab)) { for (const token in vocab) count(vocab[token], token); }
  else throw malformed("tokenizer.json", "its model has no vocabulary");
  for (const token of added) {
    if (!isObject(token) || typeof token.content !== "string") {
      throw malformed("tokenizer.json", "an entry of added_tokens has no content");
    }
    count(token.id, token.content);
  }
  return { document: { ...ABSENT_PARTS, ...document, model, added_tokens: added }, index, vocabSize: largest + 1 };
}

/**
 * Parses `tokenizer_config.json` and picks the special tokens' texts and the chat template.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseTokenizerConfig } from "./tokenizer_files.ts";
 *
 * const { specialTokens } = parseTokenizerConfig('{ "bos_token": { "content": "<s>" }, "eos_token": null }');
 * assert.deepEqual(specialTokens, { bos_token: "<s>", eos_token: null });
 * ```
 */
export function parseTokenizerConfig(text: string): TokenizerConfig {
  const document = parseObject(text, "tokenizer_config.json");
  const specialTokens: SpecialTokens = {};
  for (const role of SPECIAL_TOKEN_ROLES) {
    const value = document[role];
    if (typeof value === "string" || value === null) specialTokens[role] = value;
    else if (isObject(value) && typeof value.content === "string") specialTokens[role] = value.content;
    else if (value !== undefined) throw malformed("tokenizer_config.json", `${role} is no text`);
  }
  const templateTokens = Object.entries(document).flatMap(([key, value]): [string, string][] => {
    const content = isObject(value) ? value.content : value;
    return /^[a-z]+_token$/.test(key) && typeof content === "string" ? [[key, content]] : [];
  });
  return {
    document,
    specialTokens,
    templateTokens: Object.fromEntries(templateTokens),
    chatTemplates: readTemplates(document.chat_template),
  };
}

/** One template, or a list of `{ name, template }`. */
function readTemplates(value: unknown): ChatTemplates {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  const named = Array.isArray(value) ? value.map((entry) => isObject(entry) ? [entry.name, entry.template] : []) : [[]];
  if (!named.every(([name, template]) => typeof name === "string" && typeof template === "string")) {
    throw malformed("tokenizer_config.json", "chat_template is no text and no list of named texts");
  }
  return Object.fromEntries(named);
}

/** A file that leaves a part out means that there is none. */
const ABSENT_PARTS = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null };

function parseObject(text: string, file: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replaceAll(/\s+/g, " ").slice(0, 120) : String(error);
    throw malformed(file, `it is not JSON (${reason})`);
  }
  if (!isObject(value)) throw malformed(file, "it is not a JSON object");
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(file: string, what: string): SyntaxError {
  return new SyntaxError(`Cannot read ${file}: ${what}: download it again from where the model comes from`);
}
