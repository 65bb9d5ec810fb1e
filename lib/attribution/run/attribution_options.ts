/**
 * The options of an attribution.
 *
 * @module
 */
import { checkOptions, type OptionGroup, type OptionKinds } from "../../options.ts";
import type { ChatTurn } from "../../model/chat/chat_types.ts";
import type { Sae } from "../../sae/sae.ts";
import type { IntegrationOptions } from "../methods/integrated_gradients.ts";
import type { ExactOptions } from "../methods/ablation.ts";
import { findMethod, METHOD_NAMES, type MethodName } from "../methods/mod.ts";
import { SAE_RUN_OPTIONS, type SaeRunOptions } from "./run_options.ts";

/**
 * What an attribution compares with: (f − f_base) · gradient.
 * - `zero`: nothing, f · gradient.
 * - `mean`: each feature's mean over the prompt's own positions, without the first (BOS is unlike all others) and those
 *   at which the SAEs are left out; the same at every position.
 * - `{ mean: prompts }`: the same mean over other prompts.
 * - `{ prompt }`: another prompt of as many tokens, position by position.
 *
 * Prompts are text, or token ids used exactly as given. Means have as many rows at every position as features were active
 * anywhere, which in a long prompt is a long table.
 */
export type Baseline =
  | "zero"
  | "mean"
  | { readonly mean: readonly (string | readonly number[])[] }
  | { readonly prompt: string | readonly number[] };

/** Options of {@linkcode calculateFeatureAttribution}. */
export interface AttributionOptions extends SaeRunOptions {
  /** SAEs to put into the model, one per hook. */
  readonly saes?: readonly Sae[];
  /**
   * How gradients are taken: one of `METHOD_NAMES`, by default `gradient`; a file of `methods/` says what each
   * is and what it is not.
   */
  readonly method?: MethodName;
  /** Steps and convergence of integrated gradients. */
  readonly integration?: IntegrationOptions;
  /** Which rows are exact effects, within which limits, and of how many the curvature is wanted. */
  readonly exact?: ExactOptions;
  /** Told how many exact effects are known, and of how many; what it throws ends the run. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Of a prompt that is a chat, its messages (`ChatPrompt.turns`): positions then have names by role. */
  readonly turns?: readonly ChatTurn[];
  /** What features are compared with: attributions are (f − f_base) · gradient. Default: zero. */
  readonly baseline?: Baseline;
  /** Also what features contribute straight to the metric, the final norm's scale held. Default false. */
  readonly directEffect?: boolean;
  /**
   * TransformerLens hooks whose values and gradients are wanted too. Gradients at `ln1.hook_*` are whole: that of queries,
   * keys and values together, where TransformerLens, which calls `ln1` for each, keeps the values' alone.
   */
  readonly trackHookPoints?: readonly string[];
  /** How many of the model's top predictions at the metric's position to keep; costs the whole unembedding. Default 0. */
  readonly topPredictions?: number;
  /** Look into bad fits: try the other processing where it had to be guessed, which costs a forward pass. Default true. */
  readonly diagnose?: boolean;
}

const INTEGRATION_OPTIONS = {
  rule: ["trapezoid", "midpoint"],
  steps: "any",
  tolerance: "any",
  mostSteps: "any",
} as const;
const EXACT_OPTIONS: OptionKinds<ExactOptions> = {
  rows: "count",
  budget: "positive",
  refine: "count",
  curvature: "count",
};
const BASELINE_OPTIONS = { mean: "any", prompt: "any" } as const;

export const ATTRIBUTION_OPTIONS: OptionKinds<AttributionOptions> = {
  ...SAE_RUN_OPTIONS,
  saes: "list",
  method: METHOD_NAMES,
  integration: INTEGRATION_OPTIONS,
  exact: EXACT_OPTIONS as OptionGroup,
  onProgress: "any",
  turns: "list",
  baseline: ["zero", "mean"],
  directEffect: "flag",
  trackHookPoints: "list",
  topPredictions: "count",
  diagnose: "flag",
};

/**
 * Checks the names and values of all options, those in options too.
 *
 * @param of whose options they are, for the message
 * @throws {TypeError} if one is unknown
 * @throws {RangeError} if a value is none of those that it may have
 */
export function checkAttributionOptions(of: string, options: AttributionOptions): void {
  checkOptions(of, options, ATTRIBUTION_OPTIONS);
  const { baseline, method = "gradient", integration } = options;
  if (integration !== undefined && !findMethod(method).integrate) {
    throw new RangeError(`integration is for the method integrated-gradients, not for ${method}: leave it out`);
  }
  const { rows, budget, refine } = options.exact ?? {};
  if (findMethod(method).exact ? refine !== undefined : rows !== undefined || budget !== undefined) {
    throw new RangeError(
      findMethod(method).exact
        ? `exact.refine makes rows of other methods exact, and the method is ${method}: leave it out`
        : `exact.rows and exact.budget are for the method ablation, not for ${method}: leave them out, or say refine`,
    );
  }
  if (typeof baseline === "object") checkOptions<object>("baseline", baseline, BASELINE_OPTIONS);
}
