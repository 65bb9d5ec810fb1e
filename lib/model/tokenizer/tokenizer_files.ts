/**
 * Reads `tokenizer_config.json`.
 *
 * @module
 */
import { malformed, parseObject } from "./document.ts";
import { isObject } from "./part.ts";

/** The special tokens that count, as `tokenizer_config.json` names them: SAELens's `get_special_token_ids`. */
export const SPECIAL_TOKEN_ROLES = ["bos_token", "eos_token", "pad_token", "sep_token", "decoder_start_token"] as const;

/** The text of each special token; null where the file says that there is none, absent where it says nothing. */
export type SpecialTokens = Partial<Record<typeof SPECIAL_TOKEN_ROLES[number], string | null>>;

/** A chat template as Jinja, or several by name; undefined where there is none. */
export type ChatTemplates = string | Readonly<Record<string, string>> | undefined;

/** What `tokenizer_config.json` says. */
export interface TokenizerConfig {
  /** All of it. */
  readonly document: Readonly<Record<string, unknown>>;
  /** The special tokens that count. */
  readonly specialTokens: SpecialTokens;
  /** Every special token's text by its name there (`unk_token`, `mask_token` too): what a chat template may write. */
  readonly templateTokens: Readonly<Record<string, string>>;
  /** The chat template. */
  readonly chatTemplates: ChatTemplates;
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
  const templateTokens = Object.entries(document).flatMap(([key, value]): [string, string][] => {
    const content = isObject(value) ? value.content : value;
    return /^[a-z]+_token$/.test(key) && typeof content === "string" ? [[key, content]] : [];
  });
  return {
    document,
    specialTokens: readSpecialTokens(document),
    templateTokens: Object.fromEntries(templateTokens),
    chatTemplates: readTemplates(document.chat_template),
  };
}

/** The special tokens' texts. */
export function readSpecialTokens(document: Readonly<Record<string, unknown>>): SpecialTokens {
  const specialTokens: SpecialTokens = {};
  for (const role of SPECIAL_TOKEN_ROLES) {
    const value = document[role];
    if (typeof value === "string" || value === null) specialTokens[role] = value;
    else if (isObject(value) && typeof value.content === "string") specialTokens[role] = value.content;
    else if (value !== undefined) throw malformed("tokenizer_config.json", `${role} is no text`);
  }
  return specialTokens;
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
