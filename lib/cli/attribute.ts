/**
 * `attribute PROMPT`: which SAE features speak for one next token and against another.
 *
 * @module
 */
import { type CommandSpec, helpText, parseCommand, type ParsedCommand, UsageError } from "./args.ts";
import { readVerify, VERIFY_OPTIONS, type VerifyRequest } from "./ablation_options.ts";
import { ATTRIBUTION_OPTIONS, type AttributionRequest, readAttribution } from "./attribution_options.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "./format.ts";
import { DEVICE_OPTIONS, PROMPT } from "./options.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";
import { readRows, ROW_OPTIONS, type RowsRequest } from "./row_options.ts";
import { noSae } from "./sae_options.ts";
import { startEarly } from "./start_early.ts";

/** Everything that the command line asks for. */
export interface AttributeRequest extends AttributionRequest {
  readonly trackHookPoints: readonly string[];
  readonly rows: RowsRequest;
  readonly destination: Destination;
  /** The file of the summary as JSON. */
  readonly summary: string | undefined;
  /** The file of the run's tensors. */
  readonly saveTensors: string | undefined;
  /** The file of the run as a Python script. */
  readonly emitPython: string | undefined;
  readonly check: boolean;
  /** Comparing with exact ablation. */
  readonly verify: VerifyRequest | undefined;
}

const spec = {
  name: "attribute",
  summary: "Attribute a prediction to the features of sparse autoencoders (SAEs): rows of position, feature and\n" +
    "attribution on standard output, a summary for people on standard error.",
  usage: "PROMPT [--pos-token T] [--neg-token T] [--model M] [--sae S]... [options]",
  positionals: [PROMPT],
  options: {
    ...ATTRIBUTION_OPTIONS,
    track: {
      kind: "string",
      multiple: true,
      placeholder: "HOOK",
      help: "also attribute to the model's own activation at this hook, in rows of kind activation",
    },
    ...ROW_OPTIONS,
    ...FORMAT_OPTIONS,
    summary: {
      kind: "string",
      writes: "file",
      placeholder: "FILE",
      help: "write the run in figures to a file, as JSON",
    },
    "save-tensors": {
      kind: "string",
      writes: "file",
      placeholder: "FILE",
      help: "write active features, gradients, attributions and errors to a file, as safetensors",
    },
    "emit-python": {
      kind: "string",
      writes: "file",
      placeholder: "FILE",
      help: "write the same run as a script for SAELens",
    },
    check: {
      kind: "boolean",
      help: "compare with finite differences and with removing all features, and hash the files; takes longer",
    },
    ...VERIFY_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'attribute " Tiger Woods plays the sport of" --pos-token " golf" --neg-token " tennis"',
    'attribute " The capital of France is" --top 20 --output rows.csv',
    'attribute " Tiger Woods plays the sport of" --baseline "prompt: Babe Ruth plays the sport of" --method relp',
    'attribute " The capital of France is" --target-text " Paris." --table features --top 10',
    'attribute " golf" --model ./gpt2 --sae ./sae@blocks.8.hook_resid_pre --summary run.json',
  ],
} satisfies CommandSpec;

/** What `attribute_run.ts` exports. */
interface RunModule {
  attribute(request: AttributeRequest): Promise<void>;
}

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  const threads = startEarly(request);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { attribute } = await import(new URL("./attribute_run.ts", import.meta.url).href) as RunModule;
  await attribute({ ...request, threads });
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): AttributeRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest(parsed: ParsedCommand<typeof spec>): AttributeRequest {
  const { values } = parsed;
  const attribution = readAttribution(parsed);
  if (attribution.saes.length === 0 && values.track.length === 0) {
    throw noSae(values.model, "no SAE", ", or a hook to --track");
  }
  if (attribution.baseline !== "zero" && values.track.length > 0) {
    throw new UsageError(
      "--track shows activations as they are, which --baseline does not compare: leave out one of them",
    );
  }
  if (attribution.integration !== undefined && values.track.length > 0) {
    throw new UsageError("--track has no integrated gradients: leave out --track, or choose another --method");
  }
  for (const name of ["summary", "save-tensors", "emit-python"] as const) {
    if (values[name] === "") throw new UsageError(`--${name} is empty: give the name of a file`);
  }
  return {
    ...attribution,
    trackHookPoints: [...new Set(values.track)],
    rows: readRows(values),
    destination: readDestination(values, stdoutScreen().isTerminal),
    summary: values.summary,
    saveTensors: values["save-tensors"],
    emitPython: values["emit-python"],
    check: values.check,
    verify: readVerify(values),
  };
}
