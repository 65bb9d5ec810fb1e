/**
 * Generating: the prompt in one pass, which leaves its keys and values, then token by token.
 *
 * @module
 */
import { NO_PROCESSING } from "../../../models/family.ts";
import { quote } from "../../quote.ts";
import { logSumExp } from "../../runtime/tensor.ts";
import { checkTokens } from "../stages/feeds.ts";
import { KeyValueCache } from "../stages/key_value_cache.ts";
import { isSameRotary } from "../stages/rotary.ts";
import type { GeneratedToken, GenerationEnd, GenerationRun, Generator } from "./generate_types.ts";
import { mulberry32 } from "../../random.ts";
import { drawToken, mostProbable } from "./sampling.ts";
import { TextStream } from "./text_stream.ts";

/**
 * Tokens after a prompt, as they come.
 *
 * @throws {RangeError} if an option cannot be
 * @throws {TypeError} if there are stop texts and no tokenizer
 */
export async function* generate(
  model: Generator,
  prompt: readonly number[],
  run: GenerationRun,
): AsyncGenerator<GeneratedToken, void> {
  const { maxTokens = 64, temperature = 0, topP = 1, seed = 0, stop = [], signal } = run;
  checkRun({ temperature, topP, stop });
  if (maxTokens === 0) return;
  const { nCtx } = model.architecture.config;
  const tokenizer = await model.tokenizer();
  if (!tokenizer && stop.length > 0) throw new TypeError("The model has no tokenizer for stop texts: leave out `stop`");
  checkTokens(run.eosIds ?? [], model.architecture);
  const ends = new Set(run.eosIds ?? await model.eosIds());
  const stream = tokenizer && new TextStream(tokenizer, prompt, stop);
  const random = mulberry32(seed);
  const capacity = Math.min(nCtx, prompt.length + maxTokens - 1);
  const cache = new KeyValueCache(model.architecture.config, model.runtime.memory, capacity);
  try {
    const read = [...prompt];
    let next: readonly number[] = read;
    for (let count = 1;; count++) {
      const logits = await nextLogits(model, next, cache, run);
      const id = temperature === 0 ? mostProbable(logits) : drawToken(logits, temperature, topP, random);
      const text = ends.has(id) ? "" : stream?.push(id) ?? "";
      const ended: GenerationEnd | undefined = ends.has(id)
        ? "eos"
        : stream?.hasStopped
        ? "stop"
        : count === maxTokens
        ? "maxTokens"
        : cache.length === nCtx
        ? "context"
        : signal?.aborted
        ? "aborted"
        : undefined;
      const token = { id, position: cache.length, logProbability: logits[id] - logSumExp(logits) };
      if (ended) return yield { ...token, text: text + (stream?.end() ?? ""), ended };
      yield { ...token, text };
      read.push(id);
      next = [id];
      if (isRotatedAnew(model, cache.length)) {
        cache.setLength(0);
        next = read;
      }
    }
  } finally {
    cache.release();
  }
}

/** Whether one more token changes the rotary frequencies, and so all keys: transformers computes them anew then, too. */
function isRotatedAnew({ architecture: { rotary } }: Generator, length: number): boolean {
  return Object.values(rotary).some((spec) => !isSameRotary(spec, length, length + 1));
}

/** Logits after tokens that come after those in the cache. */
async function nextLogits(
  { chain, unembedding }: Generator,
  tokens: readonly number[],
  cache: KeyValueCache,
  { processing = NO_PROCESSING, replacements }: GenerationRun,
): Promise<Float32Array> {
  const state = await chain.forward({
    prompts: [tokens],
    rows: [[tokens.length - 1]],
    processing,
    cache,
    replacements: replacements?.(cache.length, tokens) ?? [],
  });
  return (await unembedding.logits(state.final)).data;
}

function checkRun({ temperature, topP, stop }: Required<Pick<GenerationRun, "temperature" | "topP" | "stop">>): void {
  if (!(Number.isFinite(temperature) && temperature >= 0)) {
    throw new RangeError(`\`temperature\` is ${quote(temperature)}: give a number, at least 0`);
  }
  if (!(topP > 0 && topP <= 1)) throw new RangeError(`\`topP\` is ${quote(topP)}: give a number above 0, at most 1`);
  if (stop.some((text) => typeof text !== "string" || text === "")) {
    throw new RangeError("A text of `stop` is empty: give some text");
  }
}
