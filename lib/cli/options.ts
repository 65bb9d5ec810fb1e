/**
 * Options that several commands have, and the values that they may take.
 *
 * @module
 */
import type { AttributionOptions } from "../attribution/attribution_options.ts";
import { PROCESSING_CHOICES, type ProcessingChoice } from "../attribution/processing.ts";
import { WEIGHT_CHOICES, type WeightChoice } from "../model/stages/binding.ts";
import { type Device, DEVICES } from "../runtime/runtime.ts";
import type { OptionSpec, PositionalSpec } from "./args_spec.ts";
import { UsageError } from "./args_values.ts";

/** The prompt as an argument. */
export const PROMPT: PositionalSpec = {
  name: "PROMPT",
  help: 'text; "-" reads standard input (a newline at its end is left out)',
  required: false,
};

/** Which prompt, which model. */
export const MODEL_OPTIONS = {
  "token-ids": {
    kind: "integers",
    placeholder: "1,2,3",
    min: 0,
    help: "token ids instead of PROMPT, used exactly as given",
  },
  model: {
    kind: "string",
    placeholder: "M",
    default: "tiny-facts",
    help: "a bundled model, a public name (gpt2, google/gemma-2-2b), or the directory or URL of a Hugging Face model",
  },
  revision: { kind: "string", placeholder: "R", help: "branch, tag or commit of a model from the hub" },
} satisfies Record<string, OptionSpec>;

/** How the prompt becomes tokens, and in which form the model runs. */
export const RUN_OPTIONS = {
  "prepend-bos": {
    kind: "boolean",
    negatable: true,
    help: "put the BOS token first, or do not; by default as the SAE was trained, else as is usual for the model",
  },
  truncate: { kind: "boolean", help: "cut a prompt that is too long for the model, on the right" },
  processing: {
    kind: "string",
    choices: PROCESSING_CHOICES,
    placeholder: "FORM",
    default: "sae",
    help: "form of the model: as the SAE was trained, TransformerLens's default, or as it is",
  },
} satisfies Record<string, OptionSpec>;

/** Single flags of the model's form, over what `--processing` gives. */
export const FLAG_OPTIONS = {
  "fold-ln": {
    kind: "boolean",
    negatable: true,
    help: "normalised values before the norm's weights and bias, or after",
  },
  "center-writing-weights": {
    kind: "boolean",
    negatable: true,
    help: "what is written to the residual stream minus its mean, or as it is",
  },
  "center-unembed": { kind: "boolean", negatable: true, help: "logits minus their mean, or as they are" },
  "fold-value-biases": { kind: "boolean", negatable: true, help: "attention values without their bias, or with it" },
} satisfies Record<string, OptionSpec>;

/** Where the SAEs are left out. */
export const EXCLUDE_OPTIONS = {
  "exclude-special-tokens": {
    kind: "boolean",
    negatable: true,
    help: "leave the SAEs out at BOS and other special tokens, or do not; by default as they were trained",
  },
  "exclude-token-ids": {
    kind: "integers",
    placeholder: "1,2",
    min: 0,
    help: "leave the SAEs out at these tokens instead",
  },
} satisfies Record<string, OptionSpec>;

/** Where it runs and what is said. */
export const DEVICE_OPTIONS = {
  device: { kind: "string", choices: DEVICES, placeholder: "D", default: "auto", help: "where the model runs" },
  threads: { kind: "integer", placeholder: "N", min: 1, max: 64, help: "processor threads to use" },
  weights: {
    kind: "string",
    choices: WEIGHT_CHOICES,
    placeholder: "W",
    default: "auto",
    help: "read the weights for every prompt (streamed) or keep them in memory (resident); " +
      "auto: resident for many prompts, where memory allows",
  },
  "memory-limit": {
    kind: "number",
    placeholder: "GB",
    above: 0,
    help: "memory that weights may take with --weights auto",
  },
  quiet: { kind: "boolean", help: "print nothing but the rows and errors" },
} satisfies Record<string, OptionSpec>;

/** What the shared options come to. */
export interface RunRequest {
  readonly model: string;
  /** Of a model from the hub. */
  readonly revision: string | undefined;
  readonly device: Device;
  readonly threads: number | undefined;
  readonly weights: WeightChoice;
  /** Bytes. */
  readonly memoryLimit: number | undefined;
  readonly prependBos: boolean | undefined;
  readonly truncate: boolean;
  readonly processing: ProcessingChoice;
  readonly quiet: boolean;
}

/** The shared options' values under their own names. The choices were checked when they were parsed. */
export function readRunRequest(values: {
  readonly model: string;
  readonly revision: string | undefined;
  readonly device: string;
  readonly threads: number | undefined;
  readonly weights: string;
  readonly "memory-limit": number | undefined;
  readonly "prepend-bos": boolean | undefined;
  readonly truncate: boolean;
  readonly processing: string;
  readonly quiet: boolean;
}): RunRequest {
  const { model, revision, threads, truncate, quiet, weights, "memory-limit": gigabytes } = values;
  if (gigabytes !== undefined && weights !== "auto") {
    throw new UsageError(
      `--memory-limit decides for --weights auto, and --weights is ${weights}: leave out one of them`,
    );
  }
  return {
    model,
    revision,
    threads,
    truncate,
    quiet,
    device: values.device as Device,
    weights: weights as WeightChoice,
    memoryLimit: gigabytes === undefined ? undefined : gigabytes * 1e9,
    prependBos: values["prepend-bos"],
    processing: values.processing as ProcessingChoice,
  };
}

/** Flags of the model's form by their names in the program. */
export type ProcessingFlags = NonNullable<AttributionOptions["processingFlags"]>;

/** The flags that were given. */
export function readFlags(values: {
  readonly "fold-ln": boolean | undefined;
  readonly "center-writing-weights": boolean | undefined;
  readonly "center-unembed": boolean | undefined;
  readonly "fold-value-biases": boolean | undefined;
}): ProcessingFlags {
  const flags: Record<keyof ProcessingFlags, boolean | undefined> = {
    foldLn: values["fold-ln"],
    centerWritingWeights: values["center-writing-weights"],
    centerUnembed: values["center-unembed"],
    foldValueBiases: values["fold-value-biases"],
  };
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

/**
 * Which tokens the SAEs leave alone: all special ones, none, some ids; undefined: as they were trained.
 *
 * @throws {UsageError} if it is said in two ways
 */
export function readExcluded(values: {
  readonly "exclude-special-tokens": boolean | undefined;
  readonly "exclude-token-ids": readonly number[] | undefined;
}): boolean | readonly number[] | undefined {
  const { "exclude-special-tokens": special, "exclude-token-ids": ids } = values;
  if (special !== undefined && ids !== undefined) {
    const flag = special ? "--exclude-special-tokens" : "--no-exclude-special-tokens";
    throw new UsageError(`${flag} and --exclude-token-ids exclude each other: give one of them`);
  }
  return ids ?? special;
}
