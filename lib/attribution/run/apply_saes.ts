/**
 * The notebook's `apply_saes_and_run`.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../../options.ts";
import type { Model } from "../../model/model.ts";
import type { FloatTensor } from "../../runtime/tensor.ts";
import type { Sae } from "../../sae/sae.ts";
import type { SaeRun } from "./sae_hooks.ts";
import { runWithSaes } from "./run_prompts.ts";
import { type LazyLogits, lazyLogits } from "../metric/value.ts";
import { preparePrompt } from "./prompt.ts";
import { SAE_RUN_OPTIONS, type SaeRunOptions } from "./run_options.ts";

/** Options of {@linkcode applySaesAndRun}. */
export interface ApplySaesAndRunOptions extends SaeRunOptions {
  /** TransformerLens hooks whose values are wanted. */
  readonly trackModelHooks?: readonly string[];
}

const APPLY_OPTIONS: OptionKinds<ApplySaesAndRunOptions> = { ...SAE_RUN_OPTIONS, trackModelHooks: "list" };

/** What {@linkcode applySaesAndRun} returns. */
export interface ApplySaesAndRunOutput {
  /** Token ids, BOS included if there is one. */
  readonly tokens: readonly number[];
  /** Logits `[position, d_vocab]`, each minus its row's mean; computed when asked for. */
  readonly modelOutput: LazyLogits;
  /** By tracked hook, the value that the rest of the model saw, `[1, position, …]`. */
  readonly modelActivations: ReadonlyMap<string, FloatTensor>;
  /** By the hook that the SAE writes: what went in, the active features, what came out. */
  readonly saeActivations: ReadonlyMap<string, SaeRun>;
}

/**
 * Runs a model with SAEs in it, forward only. Without the error term a later SAE sees the earlier one's reconstruction.
 *
 * @param prompt text, or token ids used exactly as given
 * @throws {RangeError} on a bad prompt or hook; SAEs that do not fit the model or each other
 *
 * @example The logits with the SAE's reconstruction in the place of the residual stream
 * ```ts
 * import { loadModel } from "../../model/model.ts";
 * import { loadSae } from "../../sae/load.ts";
 * import { applySaesAndRun } from "./apply_saes.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const output = await applySaesAndRun(model, [sae], " The capital of France is", { includeErrorTerm: false });
 * console.assert((await output.modelOutput()).dims[0] === output.tokens.length);
 * ```
 */
export async function applySaesAndRun(
  model: Model,
  saes: readonly Sae[],
  prompt: string | readonly number[],
  options: ApplySaesAndRunOptions = {},
): Promise<ApplySaesAndRunOutput> {
  checkOptions("applySaesAndRun", options, APPLY_OPTIONS);
  const { includeErrorTerm = true, trackModelHooks = [] } = options;
  const prepared = await preparePrompt(model, prompt, saes, options);
  const { tokens } = prepared;
  const { state, saeRuns } = await runWithSaes(model, {
    ...prepared,
    saes,
    includeErrorTerm,
    trackModelHooks,
    withGradients: false,
    rows: tokens.map((_, position) => position),
  });
  const modelActivations = new Map(trackModelHooks.map((hook) => [hook, state.values.get(hook)!]));
  return { tokens, modelOutput: lazyLogits(model, state), modelActivations, saeActivations: saeRuns };
}
