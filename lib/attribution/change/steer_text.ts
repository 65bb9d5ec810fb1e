/**
 * Steering with text: what the model says with other activations of features, at several strengths.
 *
 * With features written at SAELens's hook, x' = x + strength · (a' − a) · scale · W_dec[feature] at every position that is
 * meant, a the activation that the SAE sees there and a' the one that the intervention gives. For `add` that is SAELens's
 * steering, `activations + max_act · steering_strength · W_dec[feature]`, with max_act as the value. A vector is added as
 * `SteeringVector` says, its strength times this one.
 *
 * @module
 */
import { generate } from "../../model/generate/generate.ts";
import { GENERATE_OPTIONS, type GeneratedToken, type GenerateOptions } from "../../model/generate/generate_types.ts";
import type { Model, Token } from "../../model/model.ts";
import type { Replacement } from "../../model/stages/chain.ts";
import { type FloatTensor, logSumExp } from "../../runtime/tensor.ts";
import type { Sae } from "../../sae/sae.ts";
import { checkOptions, type OptionKinds } from "../../options.ts";
import { resolvePosition } from "../positions.ts";
import { activationsOf } from "../run/contributions.ts";
import { excludedIds, type PreparedPrompt, preparePrompt } from "../run/prompt.ts";
import { PROMPT_RUN_OPTIONS, type SaeRunOptions } from "../run/run_options.ts";
import { runWithSaes } from "../run/run_prompts.ts";
import { checkSaes, replaceHead, selectHead } from "../run/sae_hooks.ts";
import { change, checkIncluded, checkIntervention, type Intervention, type Planned } from "./interventions.ts";
import { type Adding, adding } from "./rerun.ts";
import { addVectors, separated, steeredForm, type SteeringVector } from "./steering_vector.ts";

/** Options of {@linkcode steerText}. */
export interface SteerTextOptions extends Omit<SaeRunOptions, "includeErrorTerm">, Omit<GenerateOptions, "prependBos"> {
  /** The SAEs whose features are meant, one per hook; none for vectors alone. */
  readonly saes: readonly Sae[];
  /** How much of the interventions is done; 0 is the model as it is. Default 0 and 1. */
  readonly strengths?: readonly number[];
  /** Called with every token as it comes. */
  readonly onToken?: (token: GeneratedToken, strength: number) => Promise<void> | void;
}

const STEER_TEXT_OPTIONS: OptionKinds<SteerTextOptions> = {
  ...PROMPT_RUN_OPTIONS,
  ...GENERATE_OPTIONS,
  saes: "list",
  strengths: "list",
  onToken: "any",
};

/** A text at one strength. */
export interface SteeredText {
  /** How much of the interventions was done. */
  readonly strength: number;
  /** Without special tokens. */
  readonly text: string;
  /** As they came. */
  readonly tokens: readonly GeneratedToken[];
  /** e^(−mean log-probability) of the tokens in the model as it is. */
  readonly perplexity: number;
  /** Mean activation of the features at the text's positions, in the model as it is. */
  readonly activations: readonly { readonly hook: string; readonly feature: number; readonly mean: number }[];
}

/** What {@linkcode steerText} returns. */
export interface SteeredTexts {
  /** The prompt's tokens. */
  readonly tokens: readonly Token[];
  /** One per strength, in their order. */
  readonly texts: readonly SteeredText[];
}

/**
 * Generates after a prompt at several strengths of interventions, whose positions are the prompt's, `new` (those of the
 * generated tokens), `prompt` (all of the prompt) or `all`. Where the SAEs are left out, nothing changes. The SAEs' errors
 * stay.
 *
 * @throws {RangeError} if an intervention names a hook, position or feature that does not exist, or an SAE's features
 * depend on other positions or write at several hooks
 *
 * @example
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { steerText } from "./steer_text.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1, weights: "resident" });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const more = { feature: 29, position: "all", how: "add", value: 20 } as const;
 * const options = { saes: [sae], strengths: [0, 1], maxTokens: 5 };
 * const { texts } = await steerText(model, " Tiger Woods plays the sport of", [more], options);
 * console.assert(texts[0].text.startsWith(" golf") && texts[1].text !== texts[0].text);
 * ```
 */
export async function steerText(
  model: Model,
  prompt: string | readonly number[],
  interventions: readonly (Intervention | SteeringVector)[],
  options: SteerTextOptions,
): Promise<SteeredTexts> {
  checkOptions("steerText", options, STEER_TEXT_OPTIONS);
  const { saes, strengths = [0, 1], onToken, maxTokens, temperature, topP, seed, stop, eosIds, signal } = options;
  if (interventions.length === 0) throw new RangeError("Nothing is to be changed: give an intervention");
  if (strengths.length === 0 || !strengths.every(Number.isFinite)) {
    throw new RangeError(`\`strengths\` are [${strengths.join(", ")}]: give numbers`);
  }
  checkSaes(model, saes);
  const prepared = await preparePrompt(model, prompt, saes, { ...options, processing: steeredForm(options) });
  const leftOut = await excludedIds(model, saes, options.excludeSpecialTokens);
  const steering = new Steering(model, saes, interventions, prepared, leftOut);
  const texts: SteeredText[] = [];
  for (const strength of strengths) {
    const tokens: GeneratedToken[] = [];
    const run = {
      ...{ maxTokens, temperature, topP, seed, stop, eosIds, signal },
      processing: prepared.processing,
      replacements: (start: number, ids: readonly number[]) => steering.replacements(strength, start, ids),
    };
    for await (const token of generate(model, prepared.tokens, run)) {
      tokens.push(token);
      await onToken?.(token, strength);
    }
    const text = tokens.map((token) => token.text).join("");
    texts.push({ strength, text, tokens, ...await judged(model, prepared, tokens, steering) });
    if (signal?.aborted) break;
  }
  return { tokens: await model.describeTokens(prepared.tokens), texts };
}

/** Interventions, pass by pass. */
class Steering {
  /** By hook. */
  readonly interventions: ReadonlyMap<string, readonly Intervention[]>;
  readonly saes: readonly Sae[];
  readonly #vectors: ReadonlyMap<string, readonly SteeringVector[]>;
  readonly #model: Model;
  readonly #promptLength: number;
  readonly #leftOut: ReadonlySet<number>;

  constructor(
    model: Model,
    saes: readonly Sae[],
    interventions: readonly (Intervention | SteeringVector)[],
    { tokens: { length }, excluded }: PreparedPrompt,
    leftOutIds: ReadonlySet<number>,
  ) {
    this.#model = model;
    this.#promptLength = length;
    this.#leftOut = leftOutIds;
    const all = new Map(saes.map((sae) => [sae.hookOut, sae]));
    const placed = <T extends Pick<Intervention, "position">>(one: T): T => {
      const position = typeof one.position === "number" ? resolvePosition(one.position, length) : one.position;
      if (typeof position === "number") checkIncluded(position, excluded);
      return { ...one, position };
    };
    const { features, vectors } = separated(model, interventions);
    this.#vectors = Map.groupBy(vectors.map(placed), ({ hook }) => hook);
    const found = features.map((one): [string, Intervention] => {
      const hook = checkIntervention(one, all);
      const { config, hooksOut } = all.get(hook)!;
      if (hooksOut.length > 1 || config.temporal !== undefined) {
        const why = hooksOut.length > 1 ? "write at several hooks" : "depend on other positions";
        throw new RangeError(`The features at ${hook} ${why}: text cannot be steered with them`);
      }
      return [hook, placed(one)];
    });
    const byHook = Map.groupBy(found, ([hook]) => hook);
    this.interventions = new Map([...byHook].map(([hook, list]) => [hook, list.map(([, one]) => one)]));
    this.saes = saes.filter(({ hookOut }) => byHook.has(hookOut));
  }

  /** What is put in at the hooks in the pass over tokens, the first of which is at `start`. */
  replacements(strength: number, start: number, ids: readonly number[]): Replacement[] {
    if (strength === 0) return [];
    const changed = this.saes.flatMap((sae): Replacement[] => {
      const planned = this.interventions.get(sae.hookOut)!.flatMap((one): Planned[] =>
        this.#rowsOf(one, start, ids).map((position) => ({ ...one, position }))
      );
      if (planned.length === 0) return [];
      return [{
        hook: sae.hookOut,
        reads: [sae.hookIn],
        replace: (values) => this.#steered(sae, values, planned, strength),
      }];
    });
    const added = [...this.#vectors].flatMap(([hook, list]): [string, Adding][] => {
      const placed = list.map((one) => ({ ...one, rows: this.#rowsOf(one, start, ids) }));
      const isThere = placed.some(({ rows }) => rows.length > 0);
      return isThere ? [[hook, (whole) => addVectors(whole, placed, strength)]] : [];
    });
    return adding(changed, new Map(added));
  }

  /** The rows of a pass that a change means. */
  #rowsOf(one: Pick<Intervention, "position">, start: number, ids: readonly number[]): number[] {
    return [...ids.keys()].filter((i) => this.#isMeant(one, start + i, ids[i]));
  }

  #isMeant({ position: meant }: Pick<Intervention, "position">, position: number, id: number): boolean {
    if (this.#leftOut.has(id)) return false;
    if (typeof meant === "number") return position === meant;
    return meant === "all" || (position >= this.#promptLength) === (meant === "new");
  }

  async #steered(
    sae: Sae,
    values: ReadonlyMap<string, FloatTensor>,
    planned: readonly Planned[],
    strength: number,
  ): Promise<FloatTensor> {
    const whole = values.get(sae.hookOut)!;
    const encoded = await sae.encode(this.#model.runtime, selectHead(sae, values.get(sae.hookIn)!));
    const { written } = await change({ sae, encoded }, planned);
    const value = selectHead(sae, whole).map((x, i) => x + strength * written[i]);
    return replaceHead(sae, whole, value);
  }
}

/** Rows of logits in memory at once. */
const ROWS_AT_ONCE = 16;

/** How the model as it is sees a text. */
async function judged(
  model: Model,
  { tokens: prompt, processing, excluded }: PreparedPrompt,
  generated: readonly GeneratedToken[],
  { interventions, saes }: Steering,
): Promise<Pick<SteeredText, "perplexity" | "activations">> {
  const all = [...prompt, ...generated.map(({ id }) => id)];
  const tokens = all.slice(0, model.architecture.config.nCtx);
  const rows = generated.map((_, i) => prompt.length + i - 1);
  const settings = { saes, processing, includeErrorTerm: true, trackModelHooks: [], withGradients: false };
  const { state, saeRuns } = await runWithSaes(model, { tokens, rows, excluded, ...settings });
  const d = model.architecture.config.dModel;
  let sum = 0;
  for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
    const data = state.final.data.slice(start * d, (start + ROWS_AT_ONCE) * d);
    const logits = await model.unembedding.logits({ dims: [1, data.length / d, d], data });
    sum += logProbabilities(logits, all.slice(prompt.length + start)).reduce((a, b) => a + b, 0);
  }
  const positions = tokens.map((_, position) => position).slice(prompt.length);
  const activations = [...interventions].flatMap(([hook, list]) => {
    const at = activationsOf(saeRuns.get(hook)!);
    return [...new Set(list.map(({ feature }) => feature))].map((feature) => {
      const total = positions.reduce((found, position) => found + at({ position, feature }), 0);
      return { hook, feature, mean: positions.length === 0 ? 0 : total / positions.length };
    });
  });
  return { perplexity: Math.exp(-sum / rows.length), activations };
}

/** Of each row of logits, the log-probability of a token. */
function logProbabilities({ dims: [rows, dVocab], data }: FloatTensor, ids: readonly number[]): number[] {
  return Array.from({ length: rows }, (_, row) => {
    const logits = data.subarray(row * dVocab, (row + 1) * dVocab);
    return logits[ids[row]] - logSumExp(logits);
  });
}
