/**
 * `edges PROMPT`: what makes features: direct effects of features, errors and embeddings further down.
 *
 * @module
 */
import type { HookFeature } from "../attribution/feature_edges.ts";
import { BUNDLED } from "../bundled.ts";
import { type CommandSpec, helpText, parseCommand, type ParsedCommand, UsageError } from "./args.ts";
import { quote } from "./args_values.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "./format.ts";
import {
  DEVICE_OPTIONS,
  EXCLUDE_OPTIONS,
  FLAG_OPTIONS,
  MODEL_OPTIONS,
  type ProcessingFlags,
  PROMPT,
  readExcluded,
  readFlags,
  readRunRequest,
  RUN_OPTIONS,
  type RunRequest,
} from "./options.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";
import { type PromptSource, readPromptSource } from "./prompt.ts";
import { EVERY_LAYER, readSaes, SAE_DETAILS, SAE_OPTION, type SaeRequest } from "./sae_options.ts";
import { startEarly } from "./start_early.ts";

/** A feature as asked for; without a hook, of the last SAE. */
export type TargetRequest = Omit<HookFeature, "hook"> & { readonly hook?: string };

/** Everything that the command line asks for. */
export interface EdgesRequest extends RunRequest {
  readonly prompt: PromptSource;
  readonly saes: readonly SaeRequest[];
  /** Empty: the active features at the last position. */
  readonly targets: readonly TargetRequest[];
  readonly top: number | undefined;
  readonly featuresOnly: boolean;
  /** Columns of what features stand for. */
  readonly labels: boolean;
  /** Single flags over what `processing` gives. */
  readonly processingFlags: ProcessingFlags;
  /** Undefined: as the SAEs were trained. */
  readonly excludeSpecialTokens: boolean | readonly number[] | undefined;
  readonly destination: Destination;
}

const spec = {
  name: "edges",
  summary:
    "Trace what makes features: direct effects of features of SAEs further down, of SAE errors and biases and of\n" +
    "embeddings, with attention patterns and norm scales held constant: rows of source, target and weight.",
  usage: "PROMPT --sae LOWER --sae UPPER [--target FEATURE@POSITION[@HOOK]]... [options]",
  positionals: [PROMPT],
  options: {
    target: {
      kind: "string",
      multiple: true,
      placeholder: "F@P[@H]",
      help: "feature F at position P (from the end when negative) of the SAE that writes H, by default the last one; " +
        "without any, all active features at the last position",
    },
    ...MODEL_OPTIONS,
    sae: {
      ...SAE_OPTION,
      help:
        "two or more SAEs or transcoders (default: the bundled model's), as in attribute; {layer} in S stands for every layer",
    },
    "hook-in": SAE_DETAILS["hook-in"],
    "norm-scaling-factor": SAE_DETAILS["norm-scaling-factor"],
    top: { kind: "integer", placeholder: "K", min: 1, help: "the K rows with the largest |weight|" },
    labels: { kind: "boolean", help: "columns source_label and target_label: what features stand for" },
    explanations: SAE_DETAILS.explanations,
    "features-only": { kind: "boolean", help: "leave out errors, biases and embeddings" },
    ...RUN_OPTIONS,
    ...FLAG_OPTIONS,
    ...EXCLUDE_OPTIONS,
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'edges " Tiger Woods plays the sport of" --target 189@-1 --top 20',
    'edges " The capital of France is" --features-only --output edges.csv',
  ],
} satisfies CommandSpec;

/** What `edges_run.ts` exports. */
interface RunModule {
  edges(request: EdgesRequest): Promise<void>;
}

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  const threads = startEarly(request);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { edges } = await import(new URL("./edges_run.ts", import.meta.url).href) as RunModule;
  await edges({ ...request, threads });
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): EdgesRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest({ positionals, values, order }: ParsedCommand<typeof spec>): EdgesRequest {
  const saes = readSaes(order, bundledSaes(values.model));
  if (saes.length < 2 && !saes.some(({ source }) => source.includes(EVERY_LAYER))) {
    throw new UsageError(`edges go from one SAE to another and there is ${saes.length}: give --sae two times or more`);
  }
  return {
    ...readRunRequest(values),
    prompt: readPromptSource(positionals, values["token-ids"]),
    saes,
    targets: values.target.map(readTarget),
    top: values.top,
    featuresOnly: values["features-only"],
    labels: values.labels || saes.some(({ explanations }) => explanations !== undefined),
    processingFlags: readFlags(values),
    excludeSpecialTokens: readExcluded(values),
    destination: readDestination(values, stdoutScreen().isTerminal),
  };
}

function readTarget(text: string): TargetRequest {
  const match = /^(\d{1,9})@(-?\d{1,9})(?:@(.+))?$/.exec(text);
  if (match === null) {
    throw new UsageError(`--target is ${quote(text)}: write FEATURE@POSITION or FEATURE@POSITION@HOOK, as in 189@-1`);
  }
  const [, feature, position, hook] = match;
  return { feature: Number(feature), position: Number(position), ...(hook === undefined ? {} : { hook }) };
}

/** The residual-stream SAEs that come with a bundled model. */
function bundledSaes(model: string): SaeRequest[] {
  const bundled = Object.hasOwn(BUNDLED, model) ? Object.entries(BUNDLED[model].saes) : [];
  return bundled.filter(([, { hook }]) => hook.endsWith(".hook_resid_pre")).map(([source]) => ({ source }));
}
