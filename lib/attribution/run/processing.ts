/**
 * Which form of the model a run uses, and whether BOS comes first: what the user says, else what the SAEs say.
 *
 * @module
 */
import { type Architecture, NO_PROCESSING, type Processing } from "../../model/architecture.ts";
import { withoutUndefined } from "../../options.ts";
import type { FORM_FLAGS } from "../../sae/config.ts";
import type { Sae } from "../../sae/sae.ts";

/** `sae`: what the SAEs were trained on; `default`: TransformerLens's `from_pretrained`; `none`: the model as it is. */
export type ProcessingChoice = "sae" | "default" | "none";

/** The names of the choices. */
export const PROCESSING_CHOICES: readonly ProcessingChoice[] = ["sae", "default", "none"];

/** TransformerLens's names of the flags. */
export const PROCESSING_FLAGS: Readonly<Record<keyof Processing, typeof FORM_FLAGS[number]>> = {
  foldLn: "fold_ln",
  centerWritingWeights: "center_writing_weights",
  centerUnembed: "center_unembed",
  foldValueBiases: "fold_value_biases",
};

/**
 * The processing of a run.
 *
 * An SAE whose metadata have `model_from_pretrained_kwargs`, even `{}`, was trained on the unprocessed model with those
 * flags, as SAELens's own evaluation loads it; without that key it is TransformerLens's default.
 *
 * @param flags what the user says of single flags, whatever the choice gives for them
 * @throws {RangeError} if the SAEs disagree, or a flag is set that the model's norm or soft cap does not allow
 */
export function resolveProcessing(
  architecture: Architecture,
  saes: readonly Sae[],
  choice: ProcessingChoice = "sae",
  flags: Partial<Processing> = {},
): Processing {
  const { defaultProcessing } = architecture;
  // Centring what is written or the logits would change what these models compute; TransformerLens skips it.
  for (const flag of ["centerWritingWeights", "centerUnembed"] as const) {
    if (flags[flag] && !defaultProcessing[flag]) {
      throw new RangeError(
        `${PROCESSING_FLAGS[flag]} would change what a ${architecture.family} model computes: leave it off`,
      );
    }
  }
  return { ...chosenProcessing(architecture, saes, choice), ...withoutUndefined(flags) };
}

function chosenProcessing(architecture: Architecture, saes: readonly Sae[], choice: ProcessingChoice): Processing {
  if (choice === "none") return NO_PROCESSING;
  if (choice === "default" || saes.length === 0) return architecture.defaultProcessing;
  const wanted = saes.map((sae) => saeProcessing(architecture, sae));
  const other = wanted.findIndex((p) => showProcessing(p) !== showProcessing(wanted[0]));
  if (other > 0) {
    throw new RangeError(
      `The SAEs were trained on different forms of the model: ${saes[0].hookOut} on ${showProcessing(wanted[0])}, ` +
        `${saes[other].hookOut} on ${
          showProcessing(wanted[other])
        }; use them one at a time, or choose \`processing: "default"\` or none`,
    );
  }
  return wanted[0];
}

function saeProcessing(architecture: Architecture, { config }: Sae): Processing {
  const kwargs = config.modelFromPretrainedKwargs;
  if (!kwargs) return architecture.defaultProcessing;
  const flag = (name: keyof Processing): boolean => kwargs[PROCESSING_FLAGS[name]] === true;
  return {
    foldLn: flag("foldLn"),
    centerWritingWeights: flag("centerWritingWeights") && architecture.defaultProcessing.centerWritingWeights,
    centerUnembed: flag("centerUnembed"),
    foldValueBiases: flag("foldValueBiases"),
  };
}

/** The flags as TransformerLens writes them. */
export function processingFlags(processing: Processing): Record<string, boolean> {
  const names = Object.entries(PROCESSING_FLAGS) as [keyof Processing, string][];
  return Object.fromEntries(names.map(([key, name]) => [name, processing[key]]));
}

/** One line that names the flags which are on. */
export function showProcessing(processing: Processing): string {
  const on = Object.entries(processingFlags(processing)).filter(([, value]) => value).map(([name]) => name);
  return on.length === 0 ? "no processing" : on.join(", ");
}

/**
 * Whether BOS comes first: the user's word, else the SAEs', else undefined (the family's default).
 *
 * @throws {RangeError} if the SAEs disagree
 */
export function resolvePrependBos(saes: readonly Sae[], choice?: boolean): boolean | undefined {
  if (choice !== undefined) return choice;
  const said = saes.map(({ config }) => config.prependBos).filter((value) => value !== undefined);
  if (new Set(said).size > 1) {
    throw new RangeError(
      "Some SAEs were trained with BOS and some without: choose `prependBos: true` or `prependBos: false`",
    );
  }
  return said[0];
}

/**
 * Which special tokens the SAEs leave alone: the user's word, else what all SAEs were trained with.
 *
 * @returns as {@linkcode Sae}'s `excludeSpecialTokens`: all special tokens, none, or some token ids
 */
export function resolveExcludeSpecialTokens(
  saes: readonly Sae[],
  choice?: boolean | readonly number[],
): boolean | readonly number[] {
  if (choice !== undefined) return choice;
  const said = saes.map(({ config }) => config.excludeSpecialTokens);
  const agreed = said.every((value) => value !== undefined && String(value) === String(said[0]));
  return agreed ? said[0] ?? false : false;
}

/** Whether the form of the model had to be guessed: neither the SAE nor the user says how its model was loaded. */
export function processingIsGuessed(
  saes: readonly Sae[],
  choice: ProcessingChoice = "sae",
  flags: Partial<Processing> = {},
): boolean {
  const isOpen = choice === "sae" && Object.keys(withoutUndefined(flags)).length === 0;
  return isOpen && saes.some(({ config }) => config.modelFromPretrainedKwargs === undefined);
}
