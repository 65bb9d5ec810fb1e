/**
 * Opening a model: its configuration, weights, tokenizer, and a runtime to run it on.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { DENO_INSPECT, type Inspect, showFields } from "../inspect.ts";
import { checkOptions, type OptionKinds } from "../options.ts";
import type { Architecture, WeightRef } from "../../models/family.ts";
import { DEFAULT_MODEL } from "../bundled.ts";
import { createRuntime, type Runtime, type RuntimeOptions } from "../runtime/runtime.ts";
import { settleAll } from "../concurrency.ts";
import { hashFiles } from "../weights/files/hash.ts";
import type { OpenOptions } from "../registry/open.ts";
import { shownName } from "../weights/files/places.ts";
import type { Tensor } from "../runtime/tensor.ts";
import type { FileSource } from "../weights/files/source.ts";
import type { Need } from "../weights/tensors/needs.ts";
import type { TensorStore } from "../weights/tensors/tensors.ts";
import { chooseBinding, operationsPerToken, type WeightChoice } from "./stages/binding.ts";
import { Chain, type WeightBinding } from "./stages/chain.ts";
import type { ChatMessage, ChatModule, ChatOptions, ChatPrompt, ChatTemplate } from "./chat/chat_types.ts";
import {
  type EosModule,
  GENERATE_OPTIONS,
  type GeneratedToken,
  type GenerateModule,
  type GenerateOptions,
} from "./generate/generate_types.ts";
import { checkTokens } from "./stages/feeds.ts";
import { readLayer } from "./weights/layer_weights.ts";
import { locate, readModel } from "./read_model.ts";
import { type Asked, modelNeeds } from "./weights/needs.ts";
import { type ModelTokenizer, readTokenizer } from "./tokenizer.ts";
import { Unembedding } from "./stages/unembedding.ts";

/** A token of a prompt. */
export interface Token {
  /** Its id in the vocabulary. */
  readonly id: number;
  /** Decoded alone, parts of a character as `\xE2\x82`; empty when the model has no tokenizer. */
  readonly text: string;
  /** BOS, EOS, padding and the like. */
  readonly isSpecial: boolean;
}

/** How a prompt becomes tokens. */
export interface TokenOptions {
  /** Default: the SAE's setting, else the family's. Ignored for a `number[]`. */
  readonly prependBos?: boolean;
  /** Cut what does not fit the context, on the right. */
  readonly truncate?: boolean;
}

const CHAT_OPTIONS: OptionKinds<ChatOptions> = {
  addGenerationPrompt: "flag",
  continueFinalMessage: "flag",
  tools: "list",
  thinking: "flag",
  assistantPrefix: "any",
  variables: "any",
};

/** A model that has been opened. Its weights stay on disk until a pass needs them. */
export class Model implements AsyncDisposable {
  /** The bundled name, directory or URL that it was opened by; of a URL, origin and path. */
  readonly name: string;
  /** What outputs call it. */
  readonly description: string;
  /** What a public name stands for, in one line. */
  readonly resolved?: string;
  /** Its configuration and graphs. */
  readonly architecture: Architecture;
  /** What runs its graphs. */
  readonly runtime: Runtime;
  /** Runs its stages. */
  readonly chain: Chain;
  /** From the final norm's output to logits. */
  readonly unembedding: Unembedding;
  readonly #store: TensorStore;
  readonly #source: FileSource;
  readonly #config: Readonly<Record<string, unknown>>;
  readonly #unused: () => readonly string[];
  readonly #weightFiles: readonly string[];
  #tokenizer: Promise<ModelTokenizer | undefined> | undefined;
  #chatTemplate: Promise<ChatTemplate> | undefined;
  #eosIds: Promise<readonly number[]> | undefined;

  /** Use {@linkcode loadModel}. */
  constructor(parts: ModelParts) {
    this.name = parts.name;
    this.description = parts.description;
    this.resolved = parts.resolved;
    this.architecture = parts.architecture;
    this.runtime = parts.runtime;
    this.#store = parts.store;
    this.#source = parts.source;
    this.#config = parts.config;
    this.#unused = parts.unused ?? (() => []);
    this.#weightFiles = [...new Set([...parts.store.tensors.values()].map(({ file }) => file))];
    this.chain = new Chain(parts.architecture, parts.store, parts.runtime, parts.weights, parts.onStage);
    const { config, unembedding, logitSoftCap } = parts.architecture;
    const { name } = unembedding.find((ref) => parts.store.tensors.has(ref.name))!;
    const centred = logitSoftCap === undefined;
    this.unembedding = new Unembedding(config, parts.store, parts.runtime, name, centred, logitSoftCap, parts.weights);
  }

  /** Its directory or URL. */
  get location(): string {
    return this.#source.location;
  }

  /** The commit that its files are of, where they came from the hub. */
  get revision(): string | null {
    return (this.#source as { revision?: string }).revision ?? null;
  }

  /** The tokenizer, `undefined` where the model's directory has none; parsed when it is first needed. */
  tokenizer(): Promise<ModelTokenizer | undefined> {
    return this.#tokenizer ??= readTokenizer(this.#source, this.#config);
  }

  /**
   * Token ids of a prompt. A `number[]` is used exactly as given.
   *
   * @throws {RangeError} if there is no token, or more than the model's context holds (unless `truncate`)
   * @throws {TypeError} if the prompt is text and the model has no tokenizer
   */
  async toTokens(prompt: string | readonly number[], options: TokenOptions = {}): Promise<number[]> {
    checkOptions<TokenOptions>("toTokens", options, { prependBos: "flag", truncate: "flag" });
    if (typeof prompt !== "string" && !Array.isArray(prompt)) {
      throw new TypeError(`The prompt is ${quote(prompt)}: give a text or a list of token ids`);
    }
    const { nCtx } = this.architecture.config;
    const ids = typeof prompt === "string" ? await this.#encode(prompt, options.prependBos) : [...prompt];
    if (ids.length === 0) throw new RangeError("The prompt has no tokens: give some text, or prepend BOS");
    checkTokens(ids, this.architecture);
    if (ids.length > nCtx && !options.truncate) {
      throw new RangeError(
        `The prompt has ${ids.length} tokens, the model's context ${nCtx}: shorten it, or cut it on the right (\`truncate: true\`)`,
      );
    }
    return ids.slice(0, nCtx);
  }

  async #encode(text: string, prependBos = this.architecture.defaultPrependBos): Promise<number[]> {
    const tokenizer = await this.requireTokenizer();
    const ids = tokenizer.encode(text);
    if (!prependBos) return ids;
    if (tokenizer.bosId === undefined) throw new TypeError("The tokenizer has no BOS token: use `prependBos: false`");
    return [tokenizer.bosId, ...ids];
  }

  /**
   * A chat as the model was trained to read it, by the chat template of its tokenizer (`chat_template.jinja`, or
   * `chat_template` in `tokenizer_config.json`): transformers' `apply_chat_template`. The tokens are a prompt for
   * `calculateFeatureAttribution` and `testPrompt`. A template may write the date; the variable `date_string` or
   * whatever it reads fixes it.
   *
   * @throws {TypeError} if the model has no tokenizer or no chat template
   * @throws {RangeError} if the template refuses the messages
   *
   * @example
   * ```ts
   * import type { Model } from "./model.ts";
   *
   * async function ask(model: Model, question: string): Promise<number[]> {
   *   const messages = [{ role: "user", content: question }];
   *   return (await model.applyChatTemplate(messages, { assistantPrefix: "It is" })).tokens;
   * }
   * ```
   */
  async applyChatTemplate(messages: readonly ChatMessage[], options: ChatOptions = {}): Promise<ChatPrompt> {
    checkOptions("applyChatTemplate", options, CHAT_OPTIONS);
    const tokenizer = await this.requireTokenizer();
    const { readChatTemplate, writeChat } = await import(
      new URL("./chat/chat.ts", import.meta.url).href
    ) as ChatModule;
    this.#chatTemplate ??= readChatTemplate(this.name, this.#source, tokenizer);
    return writeChat(await this.#chatTemplate, messages, options, tokenizer);
  }

  /**
   * What the model says after a prompt, token by token as it comes; breaking out of the loop ends it. The prompt runs in
   * one pass and every token alone, on the keys and values of those before it. Weights that stay in memory
   * (`weights: "resident"` of {@linkcode loadModel}) are not read anew for every token.
   *
   * @param prompt text, or token ids used exactly as given
   * @throws {RangeError} on a bad prompt, or if an option cannot be
   *
   * @example
   * ```ts
   * import { loadModel } from "./model.ts";
   *
   * await using model = await loadModel("tiny-facts", { threads: 1, weights: "resident" });
   * let text = "";
   * for await (const token of model.generate(" The capital of France is", { maxTokens: 2 })) text += token.text;
   * console.assert(text.startsWith(" Paris"));
   * ```
   */
  async *generate(
    prompt: string | readonly number[],
    options: GenerateOptions = {},
  ): AsyncGenerator<GeneratedToken, void> {
    checkOptions("generate", options, GENERATE_OPTIONS);
    const { prependBos, ...run } = options;
    const tokens = await this.toTokens(prompt, { prependBos });
    const { generate } = await import(new URL("./generate/generate.ts", import.meta.url).href) as GenerateModule;
    yield* generate(this, tokens, run);
  }

  /** The tokens that end a text: `eos_token_id` of `generation_config.json`, else of `config.json`. */
  eosIds(): Promise<readonly number[]> {
    return this.#eosIds ??= import(new URL("./generate/eos.ts", import.meta.url).href)
      .then(({ readEosIds }: EosModule) => readEosIds(this.#source, this.#config));
  }

  /** The tokenizer. @throws {TypeError} if the model has none */
  async requireTokenizer(): Promise<ModelTokenizer> {
    const tokenizer = await this.tokenizer();
    if (!tokenizer) {
      throw new TypeError(`${this.name} has no tokenizer.json: give token ids (\`tokenIds\`, \`posId\` …)`);
    }
    return tokenizer;
  }

  /** Ids with their texts. */
  async describeTokens(ids: readonly number[]): Promise<Token[]> {
    const tokenizer = await this.tokenizer();
    return ids.map((id) => ({
      id,
      text: tokenizer?.displayText(id) ?? "",
      isSpecial: tokenizer?.specialIds.has(id) ?? false,
    }));
  }

  /** Reads weights by the names and shapes that the architecture gives them. */
  readWeights(refs: Readonly<Record<string, WeightRef>>): Promise<Readonly<Record<string, Tensor>>> {
    return readLayer(this.#store, refs).loading;
  }

  /** Tensors of its files and settings of its configuration that are not used, which transformers does without too. */
  unused(): readonly string[] {
    return this.#unused();
  }

  /** What of its files a question will read, for its price where they are fetched, and to fetch them at once. */
  needs(asked: Asked): Promise<Need[]> {
    return modelNeeds(this.#source, this.#store, this.architecture, asked);
  }

  /** SHA-256 of the configuration and weight files by path; null where they are not local. */
  fileHashes(): Promise<Record<string, string | null>> {
    return hashFiles(this.#source, ["config.json", ...this.#weightFiles]);
  }

  /** Releases sessions and files. */
  async close(): Promise<void> {
    // What is being read ends first: its place in the runtime's memory may be given to others then.
    await settleAll([this.#source.close(), this.chain.close()]);
    await this.runtime.dispose();
  }

  /** What `console.log` shows. */
  [DENO_INSPECT](inspect: Inspect, options: unknown): string {
    const { family, config: { nLayers, dModel, nHeads, dMlp, dVocab, nCtx } } = this.architecture;
    const { name, resolved, location, runtime: { device } } = this;
    const fields = { name, resolved, family, nLayers, dModel, nHeads, dMlp, dVocab, nCtx, device, location };
    return showFields("Model", fields, inspect, options);
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What a {@linkcode Model} is made from. */
export interface ModelParts {
  /** What it was opened by. */
  readonly name: string;
  /** What outputs call it. */
  readonly description: string;
  /** What a public name stands for, in one line. */
  readonly resolved?: string;
  /** Its configuration, read. */
  readonly architecture: Architecture;
  /** `config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Its files. */
  readonly source: FileSource;
  /** Its tensors under the architecture's names. */
  readonly store: TensorStore;
  /** Names what of its files is not used. */
  readonly unused?: () => readonly string[];
  /** What runs its graphs. */
  readonly runtime: Runtime;
  /** How its weights come to the graphs. */
  readonly weights: WeightBinding;
  /** Called before each stage of a run. */
  readonly onStage?: () => void;
}

/**
 * Opens a model by bundled name, by a public name (`gpt2`, `EleutherAI/pythia-70m-deduped`), or from the directory or URL of a Hugging Face model (`config.json`,
 * `model.safetensors`, `pytorch_model.bin` or shards, `tokenizer.json`). Nothing large is read yet.
 *
 * @throws {RangeError} if the family, a setting or the device is not supported
 * @throws {TypeError | SyntaxError} if a file is malformed or a tensor is missing or of the wrong shape
 *
 * @example The bundled model
 * ```ts
 * import { loadModel } from "./model.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * console.assert(model.architecture.family === "gpt2");
 * ```
 */
export async function loadModel(source: string | URL = DEFAULT_MODEL, options: LoadModelOptions = {}): Promise<Model> {
  checkOptions("loadModel", options, LOAD_OPTIONS);
  const name = shownName(source);
  const { files, description = name, resolved } = await locate(source, options);
  try {
    const reading = readModel(files, name);
    const { tokens } = options;
    const work = tokens === undefined ? undefined : async (): Promise<number[]> => {
      const each = operationsPerToken((await reading).architecture);
      return tokens.map((n) => n * each);
    };
    const [{ architecture, config, store, unused }, runtime] = await settleAll([
      reading,
      createRuntime({ ...options, work }),
    ]);
    const weights = chooseBinding(options.weights ?? "streamed", architecture, runtime.device, options.memoryLimit);
    return new Model({
      name,
      description,
      resolved,
      architecture,
      config,
      source: files,
      store,
      unused,
      runtime,
      weights,
      onStage: options.onStage,
    });
  } catch (error) {
    await files.close();
    throw error;
  }
}

/** Options of {@linkcode loadModel}. */
export interface LoadModelOptions extends Omit<RuntimeOptions, "work">, OpenOptions {
  /**
   * How many tokens each prompt that will run has, as far as is known: with the device `auto`, much work goes to a
   * graphics processor where there is one. By default none does.
   */
  readonly tokens?: readonly number[];
  /**
   * Default `streamed`: read for every pass, two layers in memory. `resident` keeps them in the runtime's memory, for
   * many prompts; `auto` does so if they fit.
   */
  readonly weights?: WeightChoice;
  /** Bytes that weights may take with `auto`; default: half of the memory that is free. */
  readonly memoryLimit?: number;
  /** Called before each stage of a run, forward and back; what it throws ends the run. */
  readonly onStage?: () => void;
}

const LOAD_OPTIONS: OptionKinds<LoadModelOptions> = {
  revision: "any",
  onProgress: "any",
  isPublic: "flag",
  device: "any",
  threads: "positive",
  dtype: "any",
  weights: ["streamed", "resident", "auto"],
  memoryLimit: "positive",
  tokens: "any",
  onStage: "any",
};
