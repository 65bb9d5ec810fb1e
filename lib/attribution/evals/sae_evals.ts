/**
 * How good an SAE is on some text: the figures of SAELens's `run_evals`.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { Processing } from "../../model/architecture.ts";
import type { Model } from "../../model/model.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { Sae } from "../../sae/sae.ts";
import { replaceHead, type SaeRun } from "../run/sae_hooks.ts";
import { runWithSaes } from "../run/run_prompts.ts";
import { type ProcessingChoice, processingFlags, resolveProcessing } from "../run/processing.ts";
import { type PreparedPrompt, preparePrompt } from "../run/prompt.ts";
import { DownstreamSums, type ModelBehaviorPreservation, type ModelPerformancePreservation } from "./downstream.ts";
import { type FeatureFigures, FeatureSums, type Sparsity } from "./features.ts";
import { type ReconstructionQuality, ReconstructionSums, type Shrinkage } from "./reconstruction.ts";
import { PROMPT_RUN_OPTIONS } from "../run/run_options.ts";

/** Prompts per batch on SAELens's command line. */
const BATCH_SIZE = 16;

/** Options of {@linkcode evaluateSae}. */
export interface SaeEvalsOptions {
  /**
   * Leave special tokens (BOS, EOS, PAD, SEP, decoder start) or these ids out: they do not count, and keep the hook's
   * own value where the SAE's output takes its place. Default true, as in SAELens.
   */
  readonly excludeSpecialTokens?: boolean | readonly number[];
  /**
   * Prompts per batch, default 16: `explained_variance_legacy` and `relative_reconstruction_bias` are batch by batch, as
   * in SAELens. The hook's values of one batch are in memory at once.
   */
  readonly batchSize?: number;
  /** Default `sae`: the form of the model that the SAE was trained on. */
  readonly processing?: ProcessingChoice;
  /** Single flags of the processing, over what `processing` gives. */
  readonly processingFlags?: Partial<Processing>;
}

const EVALS_OPTIONS: OptionKinds<SaeEvalsOptions> = {
  excludeSpecialTokens: "flag or list",
  batchSize: "any",
  processing: PROMPT_RUN_OPTIONS.processing,
  processingFlags: PROMPT_RUN_OPTIONS.processingFlags,
};

/** Groups and names as SAELens writes them, so that both JSONs can be laid side by side. */
export interface SaeEvals extends FeatureFigures {
  /** Divergence from the model's own predictions. */
  readonly model_behavior_preservation: ModelBehaviorPreservation;
  /** Cross-entropy of the next token. */
  readonly model_performance_preservation: ModelPerformancePreservation;
  /** Errors of the SAE's output. */
  readonly reconstruction_quality: ReconstructionQuality;
  /** Norms of what goes in and what comes out. */
  readonly shrinkage: Shrinkage;
  /** Active features per token. */
  readonly sparsity: Sparsity;
  /** Tokens that were read, those left out included. */
  readonly token_stats: {
    readonly total_tokens_eval_reconstruction: number;
    readonly total_tokens_eval_sparsity_variance: number;
  };
  /** The form of the model, TransformerLens's flags. */
  readonly processing: Readonly<Record<string, boolean>>;
}

/**
 * Evaluates an SAE as SAELens's `run_evals` with everything enabled does: reconstruction, sparsity, and what the SAE's
 * output in the place of the hook's value does to the model's predictions, beside zeros in its place. Three forward
 * passes a prompt; memory does not grow with the number of prompts. Means are over tokens, float64.
 *
 * A transcoder's output is compared with the value where it writes, and takes its place; SAELens compares it with what
 * the transcoder reads.
 *
 * @param batchTokens token ids of prompts, used exactly as given (BOS included if there is to be one)
 * @throws {RangeError} if there are no prompts, a prompt is empty or too long, all tokens are left out, or the SAE does
 * not fit the model
 * @throws {TypeError} if special tokens are to be left out and the model has no tokenizer
 *
 * @example How much of the variance, with how many features?
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { evaluateSae } from "./sae_evals.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const prompts = [" Tiger Woods plays the sport of golf.", " The capital of France is Paris."];
 * const batchTokens = await Promise.all(prompts.map((prompt) => model.toTokens(prompt)));
 * const { reconstruction_quality, sparsity } = await evaluateSae(model, sae, batchTokens);
 * console.assert(reconstruction_quality.explained_variance > 0.9 && sparsity.l0 < 30);
 * ```
 */
export async function evaluateSae(
  model: Model,
  sae: Sae,
  batchTokens: readonly (readonly number[])[],
  options: SaeEvalsOptions = {},
): Promise<SaeEvals> {
  checkOptions("evaluateSae", options, EVALS_OPTIONS);
  const { batchSize = BATCH_SIZE, excludeSpecialTokens = true } = options;
  if (batchTokens.length === 0) throw new RangeError("There are no prompts to evaluate the SAE on: give at least one");
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new RangeError(`The batch size is ${batchSize}: give a whole number from 1`);
  }
  if (sae.config.crossLayer !== undefined) {
    throw new RangeError(
      `The SAE at ${sae.hookOut} is a layer of a cross-layer transcoder: one layer cannot be measured alone`,
    );
  }
  await checkSpecialTokens(model, excludeSpecialTokens);
  const processing = resolveProcessing(model.architecture, [sae], options.processing, options.processingFlags);
  const sums = {
    downstream: new DownstreamSums(),
    reconstruction: new ReconstructionSums(sae.config.dOut),
    features: new FeatureSums(sae.config.dSae),
  };
  let [total, counted] = [0, 0];
  for (const [i, prompt] of batchTokens.entries()) {
    const prepared = await preparePrompt(model, prompt, [sae], { ...options, excludeSpecialTokens });
    counted += await addPrompt(sums, model, sae, prepared);
    total += prepared.tokens.length;
    if ((i + 1) % batchSize === 0 || i === batchTokens.length - 1) sums.reconstruction.endBatch();
  }
  if (counted === 0) throw new RangeError(`All ${total} tokens are left out: there is nothing to evaluate the SAE on`);
  return {
    model_behavior_preservation: sums.downstream.behavior(),
    model_performance_preservation: sums.downstream.performance(),
    reconstruction_quality: sums.reconstruction.quality(),
    shrinkage: sums.reconstruction.shrinkage(),
    sparsity: sums.features.sparsity(),
    token_stats: { total_tokens_eval_reconstruction: total, total_tokens_eval_sparsity_variance: total },
    ...sums.features.figures(),
    processing: processingFlags(processing),
  };
}

/** @throws {TypeError} if special tokens are to be left out and nobody knows which they are */
async function checkSpecialTokens(model: Model, choice: boolean | readonly number[]): Promise<void> {
  if (choice !== true || await model.tokenizer() !== undefined) return;
  throw new TypeError(
    `${model.name} has no tokenizer.json that names its special tokens: ` +
      "give their ids as excludeSpecialTokens, or false to count all tokens",
  );
}

interface Sums {
  readonly downstream: DownstreamSums;
  readonly reconstruction: ReconstructionSums;
  readonly features: FeatureSums;
}

/** Adds one prompt; returns the number of tokens that count. */
async function addPrompt(
  { downstream, reconstruction, features }: Sums,
  model: Model,
  sae: Sae,
  prepared: PreparedPrompt,
): Promise<number> {
  const { tokens, excluded } = prepared;
  const rows = [...tokens.keys()];
  const counted = rows.filter((position) => !excluded.has(position));
  if (counted.length === 0) return 0;
  const { state, saeRuns } = await runWithSaes(model, {
    ...prepared,
    saes: [sae],
    includeErrorTerm: true, // nothing changes: this is the model's own run
    trackModelHooks: [],
    withGradients: false,
    rows,
  });
  const run = saeRuns.get(sae.hookOut)!;
  reconstruction.add(run.saeIn, run.saeOut, counted);
  features.add(run.encoded.activations, counted);
  const final = (seen: Float32Array): Promise<FloatTensor> => finalWith(model, run, seen, prepared);
  const withSae = await final(run.saeOut);
  const ablated = await final(new Float32Array(run.saeOut.length));
  const { dVocab } = model.architecture.config;
  await downstream.add(model.unembedding, { clean: state.final, withSae, ablated }, tokens, counted, dVocab);
  return counted.length;
}

/** The final norm's output, `[1, position, d_model]`, with another value where the SAE writes. */
async function finalWith(
  model: Model,
  { sae }: SaeRun,
  seen: Float32Array,
  { tokens, processing }: PreparedPrompt,
): Promise<FloatTensor> {
  const { final } = await model.chain.forward({
    prompts: [tokens],
    processing,
    rows: [[...tokens.keys()]],
    replacements: [{
      hook: sae.hookOut,
      replace: (values) => Promise.resolve(replaceHead(sae, values.get(sae.hookOut)!, seen)),
    }],
  });
  return final;
}
