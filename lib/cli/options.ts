/**
 * Options that several commands have, and the values that they may take.
 *
 * @module
 */
import type { ProcessingChoice } from "../attribution/processing.ts";
import type { Device } from "../runtime/runtime.ts";
import type { OptionSpec, PositionalSpec } from "./args_spec.ts";

/** The prompt as an argument. */
export const PROMPT: PositionalSpec = {
  name: "PROMPT",
  help: 'text; "-" reads standard input (a newline at its end is left out)',
  required: false,
};

const PROCESSING: readonly ProcessingChoice[] = ["sae", "default", "none"];
const DEVICES: readonly Device[] = ["auto", "wasm", "webgpu", "native"];

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
    help: "a bundled model, or the directory or URL of a Hugging Face model",
  },
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
    choices: PROCESSING,
    placeholder: "FORM",
    default: "sae",
    help: "form of the model: as the SAE was trained, TransformerLens's default, or as it is",
  },
} satisfies Record<string, OptionSpec>;

/** Where it runs and what is said. */
export const DEVICE_OPTIONS = {
  device: { kind: "string", choices: DEVICES, placeholder: "D", default: "auto", help: "where the model runs" },
  threads: { kind: "integer", placeholder: "N", min: 1, max: 64, help: "processor threads to use" },
  quiet: { kind: "boolean", help: "print nothing but the rows and errors" },
} satisfies Record<string, OptionSpec>;

/** What the shared options come to. */
export interface RunRequest {
  readonly model: string;
  readonly device: Device;
  readonly threads: number | undefined;
  readonly prependBos: boolean | undefined;
  readonly truncate: boolean;
  readonly processing: ProcessingChoice;
  readonly quiet: boolean;
}

/** The shared options' values under their own names. The choices were checked when they were parsed. */
export function readRunRequest(values: {
  readonly model: string;
  readonly device: string;
  readonly threads: number | undefined;
  readonly "prepend-bos": boolean | undefined;
  readonly truncate: boolean;
  readonly processing: string;
  readonly quiet: boolean;
}): RunRequest {
  const { model, threads, truncate, quiet } = values;
  return {
    model,
    threads,
    truncate,
    quiet,
    device: values.device as Device,
    prependBos: values["prepend-bos"],
    processing: values.processing as ProcessingChoice,
  };
}
