/**
 * What is asked of a generation, and what it yields.
 *
 * @module
 */
import type { Architecture, Processing } from "../../../models/family.ts";
import type { OptionKinds } from "../../options.ts";
import type { FileSource } from "../../weights/files/file_source.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Chain, Replacement } from "../stages/chain.ts";
import type { Unembedding } from "../stages/unembedding.ts";
import type { ModelTokenizer } from "../tokenizer.ts";

/** How tokens are chosen, and when it ends. */
export interface GenerateOptions {
  /** The most tokens. Default 64. */
  readonly maxTokens?: number;
  /** Default 0: always the most probable token. Else logits are divided by it before one is drawn. */
  readonly temperature?: number;
  /** Draw from the fewest most probable tokens whose probabilities sum to this at least. Default 1: from all. */
  readonly topP?: number;
  /** Where random numbers begin; the same gives the same tokens. Default 0. */
  readonly seed?: number;
  /** Texts that end it; they, and what comes after them, are left out. */
  readonly stop?: readonly string[];
  /** Tokens that end it; default: those of the model's `generation_config.json`, else of its `config.json`. */
  readonly eosIds?: readonly number[];
  /** Ends it before the next token, when it is aborted. */
  readonly signal?: AbortSignal;
  /** Default: the tokenizer's BOS comes first where that is usual for the family. Ignored for token ids. */
  readonly prependBos?: boolean;
}

export const GENERATE_OPTIONS: OptionKinds<GenerateOptions> = {
  maxTokens: "count",
  temperature: "any",
  topP: "any",
  seed: "count",
  stop: "list",
  eosIds: "list",
  signal: "any",
  prependBos: "flag",
};

/** Why a generation ended: an EOS token, a stop text, as many tokens as were asked for, a full context, or aborted. */
export type GenerationEnd = "eos" | "stop" | "maxTokens" | "context" | "aborted";

/** A generated token. */
export interface GeneratedToken {
  /** Its id. */
  readonly id: number;
  /** Its position, that of the prompt's first token being 0. */
  readonly position: number;
  /**
   * The text that this token completes: characters are whole, so that it is empty where it ends within one, and so is
   * what may be the beginning of a stop text. All of them together are the text; special tokens have none.
   */
  readonly text: string;
  /** The natural logarithm of its probability, whatever the temperature. */
  readonly logProbability: number;
  /** In the last one, why it is that. */
  readonly ended?: GenerationEnd;
}

/** What generates: a model. */
export interface Generator {
  readonly architecture: Architecture;
  readonly chain: Chain;
  readonly unembedding: Unembedding;
  readonly runtime: Pick<Runtime, "memory">;
  tokenizer(): Promise<ModelTokenizer | undefined>;
  eosIds(): Promise<readonly number[]>;
}

/** What else a run may be. */
export interface GenerationRun extends Omit<GenerateOptions, "prependBos"> {
  /** Default: the model as it is. */
  readonly processing?: Processing;
  /** Other values at hooks in the pass over `tokens`, the first of which has the position `start`. */
  replacements?(start: number, tokens: readonly number[]): readonly Replacement[];
}

/** What `generate.ts` exports; its own type would make it a part of every program. */
export interface GenerateModule {
  generate(model: Generator, prompt: readonly number[], run: GenerationRun): AsyncGenerator<GeneratedToken, void>;
}

/** What `eos.ts` exports. */
export interface EosModule {
  readEosIds(source: FileSource, config: Readonly<Record<string, unknown>>): Promise<number[]>;
}
