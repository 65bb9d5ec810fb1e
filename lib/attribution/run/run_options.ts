/**
 * Options that every run of a model with SAEs takes.
 *
 * @module
 */
import type { Processing } from "../../model/architecture.ts";
import { PROCESSING_CHOICES, type ProcessingChoice } from "./processing.ts";
import type { OptionKinds } from "../../options.ts";

/** How a model runs with SAEs in it. */
export interface SaeRunOptions {
  /** With it (the default) what the SAEs do not explain stays: they cannot change the output. */
  readonly includeErrorTerm?: boolean;
  /** Default: the SAEs' setting, else the family's. */
  readonly prependBos?: boolean;
  /** Cut a prompt that is too long on the right. */
  readonly truncate?: boolean;
  /** Default `sae`: the form of the model that the SAEs were trained on. */
  readonly processing?: ProcessingChoice;
  /** Single flags of the processing, over what `processing` gives. */
  readonly processingFlags?: Partial<Processing>;
  /**
   * Leave the SAEs out at special tokens, as SAELens's option of this name: true (BOS, EOS, PAD, SEP, decoder start) or
   * token ids. There the value passes untouched and has no features. Default: as all SAEs were trained, else false.
   */
  readonly excludeSpecialTokens?: boolean | readonly number[];
}

const PROCESSING_FLAGS: OptionKinds<Processing> = {
  foldLn: "flag",
  centerWritingWeights: "flag",
  centerUnembed: "flag",
  foldValueBiases: "flag",
};

/** What they may be, without the error term. */
export const PROMPT_RUN_OPTIONS: OptionKinds<Omit<SaeRunOptions, "includeErrorTerm">> = {
  prependBos: "flag",
  truncate: "flag",
  processing: PROCESSING_CHOICES,
  processingFlags: PROCESSING_FLAGS,
  excludeSpecialTokens: "flag or list",
};

/** What they may be. */
export const SAE_RUN_OPTIONS: OptionKinds<SaeRunOptions> = { ...PROMPT_RUN_OPTIONS, includeErrorTerm: "flag" };

/** These options alone, of something that has others too. */
export function runOptionsOf(given: SaeRunOptions): SaeRunOptions {
  const names = Object.keys(SAE_RUN_OPTIONS) as (keyof SaeRunOptions)[];
  return Object.fromEntries(names.map((name) => [name, given[name]]));
}
