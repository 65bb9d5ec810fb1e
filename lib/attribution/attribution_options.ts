/**
 * The options of an attribution.
 *
 * @module
 */
import { checkOptions, type OptionNames } from "../options.ts";
import type { Sae } from "../sae/sae.ts";
import type { Baseline } from "./baseline.ts";
import type { IntegrationOptions } from "./methods/integrated_gradients.ts";
import type { MethodName } from "./methods/mod.ts";
import { SAE_RUN_OPTIONS, type SaeRunOptions } from "./run_options.ts";

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

/** Their names. */
const ATTRIBUTION_OPTIONS: OptionNames<AttributionOptions> = {
  ...SAE_RUN_OPTIONS,
  saes: true,
  method: true,
  integration: true,
  baseline: true,
  directEffect: true,
  trackHookPoints: true,
  topPredictions: true,
  diagnose: true,
};

/**
 * Checks the names of all options, those in options too.
 *
 * @param of whose options they are, for the message
 * @throws {TypeError} if one is unknown, or SAEs are no list
 */
export function checkAttributionOptions(of: string, options: AttributionOptions): void {
  checkOptions(of, options, ATTRIBUTION_OPTIONS);
  const { integration, baseline, saes } = options;
  checkSaeList(of, saes);
  if (integration !== undefined) checkOptions("integration", integration, INTEGRATION_OPTIONS);
  if (typeof baseline === "object") {
    checkOptions<Record<"mean" | "prompt", unknown>>("baseline", baseline as never, BASELINE_OPTIONS);
  }
}

const INTEGRATION_OPTIONS: OptionNames<IntegrationOptions> = {
  rule: true,
  steps: true,
  tolerance: true,
  mostSteps: true,
};
const BASELINE_OPTIONS = { mean: true, prompt: true } as const;

/** @throws {TypeError} if SAEs are no list */
export function checkSaeList(of: string, saes: readonly Sae[] | undefined): void {
  if (saes !== undefined && !Array.isArray(saes)) {
    throw new TypeError(`The saes of ${of} are no list: give one, such as { saes: [sae] }`);
  }
}
