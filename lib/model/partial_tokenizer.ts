/**
 * A tokenizer that has of its vocabulary what it was asked for so far.
 *
 * @module
 */
import { type BPE, Model, Tokenizer } from "../deps/tokenizers.ts";
import { Fragments, type IndexedFile, type VocabularyIndex } from "./vocabulary_index.ts";

/** After so many looks through the vocabulary, all of it costs less. */
const MOST_LOOKS = 64;
/** The same for words of which so many characters are new. */
const MOST_CHARACTERS = 4096;
/** The same for so many parts of words. */
const MOST_PARTS = 200_000;

/** Stands for a model, to see which words a text is cut into. */
class WordCollector extends Model {
  readonly words: string[] = [];

  encode(words: string[]): string[] {
    this.words.push(...words);
    return [];
  }
}

/**
 * Makes the tokenizer of a file, and gives it tokens and merges as they are needed: a word's tokens are parts of the word,
 * so that those that are not can change nothing.
 */
export class PartialTokenizer {
  /** Call what makes it ready first. */
  readonly tokenizer: Tokenizer;
  readonly #model: BPE;
  /** Undefined once the model has everything. */
  #index: VocabularyIndex | undefined;
  readonly #collector = new WordCollector({} as BPE["config"]);
  /** Added tokens, which come before those of the vocabulary. */
  readonly #added: ReadonlyMap<number, unknown>;
  readonly #addedTexts: ReadonlySet<string>;
  readonly #seen = new Set<string>();
  #looks = 0;
  #characters = 0;

  /** From a file that was looked through, and `tokenizer_config.json`. */
  constructor({ document, index }: IndexedFile, config: object) {
    const { unk_token: unknown, byte_fallback } = document.model;
    const bytes = byte_fallback ? Array.from({ length: 256 }, (_, byte) => byteToken(byte)) : [];
    const wanted = typeof unknown === "string" ? [unknown, ...bytes] : bytes;
    const vocab = Object.fromEntries(
      wanted.map((token) => [token, index.id(token)]).filter(([, id]) => id !== undefined),
    );
    this.tokenizer = new Tokenizer({ ...document, model: { ...document.model, vocab, merges: [] } }, config);
    this.#model = this.tokenizer.model as BPE;
    this.#added = this.tokenizer.get_added_tokens_decoder();
    this.#addedTexts = new Set([...this.#added.keys()].map((id) => this.#model.vocab[id]));
    this.#index = index;
  }

  /** Makes it ready to encode a text. */
  readyForText(text: string): void {
    if (!this.#index) return;
    const fresh = this.#wordsOf(text).filter((word) => !this.#seen.has(word));
    if (fresh.length === 0) return;
    const characters = fresh.reduce((sum, { length }) => sum + length, 0);
    this.#characters += characters;
    const isMuch = this.#characters > MOST_CHARACTERS || characters * this.#index.longest > MOST_PARTS;
    if (++this.#looks > MOST_LOOKS || isMuch) return this.#takeAll();
    const fragments = new Fragments(this.#index.longest);
    for (const word of fresh) {
      fragments.add(word);
      this.#seen.add(word);
    }
    this.#take(fragments);
  }

  /** Makes it ready to decode an id. */
  readyForId(id: number): void {
    const token = this.#model.vocab[id] === undefined ? this.#index?.token(id) : undefined;
    if (token !== undefined) this.#add(token, id);
  }

  /** Makes it ready to find the id of a token. */
  readyForToken(token: string): void {
    if (this.#model.tokens_to_ids.has(token)) return;
    const id = this.#index?.id(token);
    if (id !== undefined) this.#add(token, id);
  }

  /** What the model is given of a text. */
  #wordsOf(text: string): string[] {
    this.#collector.words.length = 0;
    this.tokenizer.model = this.#collector;
    try {
      this.tokenizer.encode(text, { add_special_tokens: false });
    } finally {
      this.tokenizer.model = this.#model;
    }
    return [...new Set(this.#collector.words)];
  }

  #takeAll(): void {
    this.#take();
    this.#index = undefined;
  }

  #take(fragments?: Fragments): void {
    const { bpe_ranks: ranks } = this.#model;
    this.#index!.tokens((token, id) => this.#add(token, id), fragments);
    this.#index!.merges((left, right, rank) => ranks.set(JSON.stringify([left, right]), rank), fragments);
  }

  #add(token: string, id: number): void {
    if (!this.#addedTexts.has(token)) this.#model.tokens_to_ids.set(token, id);
    if (!this.#added.has(id)) this.#model.vocab[id] = token;
  }
}

/** How a vocabulary with byte fallback spells a byte. */
function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
}
