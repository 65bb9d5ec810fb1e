/**
 * From text to ids and back, as the parts of a `tokenizer.json` say: added tokens, normalizer, pre-tokenizer, model,
 * decoder. What is done is what Python's tokenizers 0.23.3 does; parts that are not known here are refused by name.
 *
 * @module
 */
import { isRecord } from "../../weights/json/json.ts";
import { quote } from "../../quote.ts";
import { type AddedToken, AddedTokens, readAddedToken } from "./added_tokens.ts";
import { createBpe, type WordModel } from "./models/bpe.ts";
import { createDecoder, type Decoder } from "./decoders.ts";
import { malformed, readDocument, type TokenizerDocument } from "./document.ts";
import { createNormalizer } from "./normalizers.ts";
import { type OtherFiles, otherTokens } from "./tokenizer_files.ts";
import { Part, refused } from "./part.ts";
import { type Piece, wholePiece } from "./piece.ts";
import { createPreTokenizer, type PreTokenizer } from "./pre_tokenizers.ts";
import { ScoredVocabulary } from "./vocabulary/scored_vocabulary.ts";
import { createUnigram } from "./models/unigram.ts";
import type { Merges, TextVocabulary, Vocabulary } from "./vocabulary/vocabulary.ts";
import { createWordLevel, createWordPiece } from "./models/words.ts";

/** What `tokenizer.json` may say at its top. Truncation and padding are left to whoever encodes, as transformers does. */
const TOP = new Set([
  ...["version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder"],
  "model",
]);
/** They put tokens around a text, which is not asked for here. */
const POST_PROCESSORS = new Set([
  ...["BertProcessing", "RobertaProcessing", "ByteLevel", "TemplateProcessing", "Sequence"],
]);

/** A tokenizer. */
export class Pipeline {
  /** The largest id, plus 1. */
  readonly vocabSize: number;
  /** The id that stands for what the vocabulary does not have. */
  readonly unknownId: number | undefined;
  /** The decoder as the file has it. */
  readonly decoderPart: unknown;
  readonly #vocabulary: Vocabulary;
  readonly #added: AddedTokens;
  readonly #normalize: (piece: Piece) => Piece;
  readonly #preTokenize: PreTokenizer;
  readonly #model: WordModel;
  readonly #decode: Decoder;

  /** From the text of `tokenizer.json`, and the other files. */
  constructor(tokenizerJson: string, others: OtherFiles) {
    const document = readDocument(tokenizerJson);
    const { parts } = document;
    checkTop(parts);
    [this.#vocabulary, this.#model] = readModel(document);
    const { unk_token: unknown, unk_id: unknownId } = parts.model as { unk_token?: unknown; unk_id?: number | null };
    this.unknownId = typeof unknown === "string" ? this.#vocabulary.id(unknown) : unknownId ?? undefined;
    const { normalizer, pre_tokenizer: preTokenizer, decoder } = parts;
    this.#normalize = isThere(normalizer) ? createNormalizer(new Part(normalizer, "normalizer")) : (piece) => piece;
    this.#preTokenize = isThere(preTokenizer)
      ? createPreTokenizer(new Part(preTokenizer, "pre_tokenizer"))
      : (piece) => [piece];
    this.#decode = isThere(decoder)
      ? createDecoder(new Part(decoder, "decoder"))
      : (tokens) => tokens.map((token, i) => i > 0 ? ` ${token}` : token);
    this.decoderPart = decoder;
    const own = readAdded(parts.added_tokens ?? []);
    const { config } = others;
    checkPrefixSpace(config, parts);
    this.#added = new AddedTokens(
      [own, otherTokens(own, others)],
      this.#vocabulary,
      (text) => this.#normalize(wholePiece(text)).text,
      config.split_special_tokens === true,
    );
    this.vocabSize = Math.max(this.#vocabulary.largestId, this.#added.largestId) + 1;
  }

  /** The ids of a text. */
  encode(text: string): number[] {
    const ids: number[] = [];
    for (const raw of this.#added.split(wholePiece(text), false)) {
      if (raw.id !== undefined) {
        ids.push(raw.id);
        continue;
      }
      for (const { piece, id } of this.#added.split(this.#normalize(raw.piece), true)) {
        if (id !== undefined) ids.push(id);
        else if (piece.text !== "") { for (const word of this.#preTokenize(piece)) this.#model(word.text, ids); }
      }
    }
    return ids;
  }

  /** The text of ids, special tokens included. */
  decode(ids: readonly number[]): string {
    const tokens = ids.map((id) => this.token(id)).filter((token) => token !== undefined);
    return this.#decode(tokens).join("");
  }

  /** The id of a token. */
  id(token: string): number | undefined {
    return this.#added.id(token) ?? this.#vocabulary.id(token);
  }

  /** The token of an id. */
  token(id: number): string | undefined {
    return this.#added.token(id) ?? this.#vocabulary.token(id);
  }

  /** The id is an added token's. */
  isAdded(id: number): boolean {
    return this.#added.token(id) !== undefined;
  }
}

function isThere(part: unknown): boolean {
  return part !== undefined && part !== null;
}

function checkTop(parts: Readonly<Record<string, unknown>>): void {
  const unknown = Object.keys(parts).find((key) => !TOP.has(key) && isThere(parts[key]));
  if (unknown !== undefined) throw refused(`it has ${quote(unknown)}, which is not known here`);
  if (isThere(parts.version) && parts.version !== "1.0") throw refused(`it has the version ${quote(parts.version)}`);
  checkPostProcessor(parts.post_processor);
}

function checkPostProcessor(value: unknown): void {
  if (!isThere(value)) return;
  const part = new Part(value, "post_processor");
  if (!POST_PROCESSORS.has(part.type)) throw part.refused("is not known here");
}

function readModel({ parts, vocabulary, merges }: TokenizerDocument): [Vocabulary, WordModel] {
  if (!isRecord(parts.model)) throw malformed("tokenizer.json", "it has no model");
  if (!vocabulary) throw malformed("tokenizer.json", "its model has no vocabulary");
  const part = new Part({ type: typeOf(parts.model, vocabulary, merges), ...parts.model }, "model");
  part.ignore("vocab", "merges");
  const model = modelOf(part, vocabulary, merges);
  part.done();
  return [vocabulary, model];
}

/** Which kind a model is that does not say it, as in GPT-2's first file. */
function typeOf(model: object, vocabulary: Vocabulary, merges: Merges | undefined): string {
  if (vocabulary instanceof ScoredVocabulary) return "Unigram";
  return merges ? "BPE" : "max_input_chars_per_word" in model ? "WordPiece" : "WordLevel";
}

function modelOf(part: Part, vocabulary: TextVocabulary | ScoredVocabulary, merges: Merges | undefined): WordModel {
  const isScored = vocabulary instanceof ScoredVocabulary;
  switch (part.type) {
    case "Unigram":
      if (!isScored) throw part.refused("has no scores");
      return createUnigram(part, vocabulary);
    case "BPE":
      if (isScored || !merges) throw part.refused(isScored ? "has no ids" : "has no merges");
      return createBpe(part, vocabulary, merges);
    case "WordPiece":
    case "WordLevel":
      if (isScored) throw part.refused("has no ids");
      return part.type === "WordPiece" ? createWordPiece(part, vocabulary) : createWordLevel(part, vocabulary);
    default:
      throw part.refused("is not known here");
  }
}

function readAdded(value: unknown): AddedToken[] {
  if (!Array.isArray(value)) throw malformed("tokenizer.json", "added_tokens is not a list");
  return value.map((token) => {
    if (!isRecord(token) || typeof token.content !== "string") {
      throw malformed("tokenizer.json", "an entry of added_tokens has no content");
    }
    return readAddedToken(token, "tokenizer.json", token.id ?? "none");
  });
}

/** `add_prefix_space` of the configuration goes over the file in some classes of transformers and not in others. */
function checkPrefixSpace(config: Readonly<Record<string, unknown>>, parts: Readonly<Record<string, unknown>>): void {
  const { add_prefix_space: said } = config;
  if (typeof said !== "boolean") return;
  const all = JSON.stringify([parts.normalizer ?? null, parts.pre_tokenizer ?? null]);
  const isAdded = /"add_prefix_space":true|"type":"Prepend"|"prepend_scheme":"(first|always)"/.test(all);
  const isKnown = /"type":"(ByteLevel|Prepend|Metaspace)"/.test(all);
  if (isKnown && isAdded !== said) {
    throw refused(
      `its parts ${
        isAdded ? "" : "do not "
      }add a space in front of a text, and tokenizer_config.json says add_prefix_space ${said}`,
    );
  }
}
