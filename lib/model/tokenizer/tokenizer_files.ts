/**
 * The files beside `tokenizer.json`: special tokens, the chat template, and added tokens, as transformers 5 adds them.
 *
 * @module
 */
import { isRecord } from "../../weights/json/json.ts";
import { type AddedToken, readAddedToken } from "./added_tokens.ts";
import { malformed, parseObject } from "./document.ts";

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

/** Parses `tokenizer_config.json` and picks the special tokens' texts and the chat template. */
export function parseTokenizerConfig(text: string): TokenizerConfig {
  const document = parseObject(text, "tokenizer_config.json");
  const templateTokens = Object.entries(document).flatMap(([key, value]): [string, string][] => {
    const content = isRecord(value) ? value.content : value;
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
    else if (isRecord(value) && typeof value.content === "string") specialTokens[role] = value.content;
    else if (value !== undefined) throw malformed("tokenizer_config.json", `${role} is no text`);
  }
  return specialTokens;
}

/** One template, or a list of `{ name, template }`. */
function readTemplates(value: unknown): ChatTemplates {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  const named = Array.isArray(value) ? value.map((entry) => isRecord(entry) ? [entry.name, entry.template] : []) : [[]];
  if (!named.every(([name, template]) => typeof name === "string" && typeof template === "string")) {
    throw malformed("tokenizer_config.json", "chat_template is no text and no list of named texts");
  }
  return Object.fromEntries(named);
}

/** In this order. */
const NAMES = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
const CONFIG = "tokenizer_config.json";

/** The other files. */
export interface OtherFiles {
  /** As {@linkcode mergedConfig} gives it. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The text of `added_tokens.json`, which older models have. */
  readonly addedTokensJson?: string;
}

/** `tokenizer_config.json` with what `special_tokens_map.json` says, which counts only where the former lists no tokens. */
export function mergedConfig(
  config: Readonly<Record<string, unknown>>,
  specialTokensMapJson: string | undefined,
): Readonly<Record<string, unknown>> {
  if (config.added_tokens_decoder !== undefined || specialTokensMapJson === undefined) return config;
  const more = parseObject(specialTokensMapJson, "special_tokens_map.json");
  const special = Object.entries(more).map((
    [key, value],
  ) => [key, isRecord(value) ? { ...value, special: true } : value]);
  return { ...config, ...Object.fromEntries(special) };
}

/** The tokens to add after those that `tokenizer.json` has. */
export function otherTokens(own: readonly AddedToken[], files: OtherFiles): AddedToken[] {
  const { config } = files;
  const [named, extra] = namedTokens(config);
  const listed = config.added_tokens_decoder === undefined
    ? [...legacyTokens(files, [...named, ...extra]), ...own]
    : decoderTokens(config.added_tokens_decoder);
  const known = new Set(own.map(signature));
  const made = listed.filter((token) => !known.has(signature(token)));
  const contents = new Set([...own, ...made].map(({ content }) => content));
  for (const token of [...named, ...extra]) {
    if (contents.has(token.content)) continue;
    contents.add(token.content);
    made.push(token);
  }
  return made;
}

/** Everything that makes two tokens one. */
function signature({ content, singleWord, lstrip, rstrip, normalized, special }: AddedToken): string {
  return JSON.stringify([content, singleWord, lstrip, rstrip, normalized, special]);
}

/** Tokens with a name, and those without. */
function namedTokens(config: Readonly<Record<string, unknown>>): [named: AddedToken[], extra: AddedToken[]] {
  const list = hasSome(config.extra_special_tokens) ? config.extra_special_tokens : config.additional_special_tokens;
  const names = [...NAMES, ...Object.keys(config).filter((key) => key.endsWith("_token") && !NAMES.includes(key))];
  const named = names.flatMap((name) => specialToken(config[name]));
  if (Array.isArray(list)) return [named, list.flatMap(specialToken)];
  return [[...named, ...(isRecord(list) ? Object.values(list).flatMap(specialToken) : [])], []];
}

function hasSome(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : isRecord(value) && Object.keys(value).length > 0;
}

/** Of a text, or of a token written out. */
function specialToken(value: unknown): AddedToken[] {
  if (typeof value === "string") return [readAddedToken({ content: value, special: true }, CONFIG)];
  return isRecord(value) && typeof value.content === "string"
    ? [readAddedToken({ ...value, special: true }, CONFIG)]
    : [];
}

/** `added_tokens_decoder`: tokens by their ids. */
function decoderTokens(value: unknown): AddedToken[] {
  if (!isRecord(value)) throw malformed(CONFIG, "added_tokens_decoder is no object");
  const entries = Object.entries(value).map(([id, token]) => [Number(id), token] as const);
  return entries.sort(([a], [b]) => a - b).map(([id, token]) => readAddedToken(token, CONFIG, id));
}

/** `added_tokens.json`: ids by their tokens. */
function legacyTokens({ addedTokensJson }: OtherFiles, special: readonly AddedToken[]): AddedToken[] {
  if (addedTokensJson === undefined) return [];
  const isSpecial = new Set(special.map(({ content }) => content));
  const entries = Object.entries(parseObject(addedTokensJson, "added_tokens.json"));
  return entries.sort(([, a], [, b]) => Number(a) - Number(b)).map(([content, id]) =>
    readAddedToken({ content, special: isSpecial.has(content) }, "added_tokens.json", id)
  );
}
