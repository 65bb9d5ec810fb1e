/**
 * `graph PROMPT`: the attribution graph of a prompt, as circuit-tracer's JSON.
 *
 * @module
 */
import { BUNDLED } from "../bundled.ts";
import { quote } from "./args_values.ts";
import { type CommandSpec, helpText, parseCommand, type ParsedCommand, UsageError } from "./args.ts";
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
import { noSae, readSaes, SAE_DETAILS, SAE_OPTION, type SaeRequest } from "./sae_options.ts";
import { startEarly } from "./start_early.ts";

/** Everything that the command line asks for. */
export interface GraphRequest extends RunRequest {
  readonly prompt: PromptSource;
  readonly saes: readonly SaeRequest[];
  /** Single flags over what `processing` gives. */
  readonly processingFlags: ProcessingFlags;
  /** Undefined: without the first position, as circuit-tracer. */
  readonly excludeSpecialTokens: boolean | readonly number[] | undefined;
  readonly maxLogits: number;
  readonly logitProbability: number;
  readonly maxFeatures: number;
  readonly nodeThreshold: number;
  readonly edgeThreshold: number;
  /** Undefined: from the prompt. */
  readonly slug: string | undefined;
  /** Undefined: the model's name. */
  readonly scan: string | undefined;
  /** A file; undefined: standard output, unless there is a directory. */
  readonly output: string | undefined;
  /** The directory that circuit-tracer's page is served from. */
  readonly directory: string | undefined;
}

/** What is a file's name on every system. */
const SLUG = /^[\p{L}\p{N}_-][\p{L}\p{N}_.-]*$/u;

const spec = {
  name: "graph",
  summary: "The attribution graph of a prompt: direct effects of transcoder features, errors and tokens on each\n" +
    "other and on the most probable next tokens, pruned, as circuit-tracer's JSON.",
  usage: "PROMPT --sae TRANSCODER... [--model M] [--output FILE] [options]",
  positionals: [PROMPT],
  options: {
    ...MODEL_OPTIONS,
    sae: {
      ...SAE_OPTION,
      help: "the transcoder of one MLP (default: the bundled model's), as in attribute; one for each layer, " +
        "{layer} in S stands for every layer; an MLP without one is all error",
    },
    "hook-in": SAE_DETAILS["hook-in"],
    explanations: SAE_DETAILS.explanations,
    "max-n-logits": { kind: "integer", placeholder: "N", min: 1, default: "10", help: "the most logits" },
    "desired-logit-prob": {
      kind: "number",
      placeholder: "P",
      min: 0,
      max: 1,
      default: "0.95",
      help: "no more logits than have this probability together",
    },
    "max-feature-nodes": {
      kind: "integer",
      placeholder: "N",
      min: 1,
      default: "7500",
      help: "the most features to look into: those with the most influence",
    },
    "node-threshold": {
      kind: "number",
      placeholder: "X",
      min: 0,
      max: 1,
      default: "0.8",
      help: "the share of the nodes' influence to keep",
    },
    "edge-threshold": {
      kind: "number",
      placeholder: "X",
      min: 0,
      max: 1,
      default: "0.98",
      help: "the share of the edges' influence to keep",
    },
    slug: { kind: "string", placeholder: "NAME", help: "the graph's name; by default from the prompt" },
    scan: {
      kind: "string",
      placeholder: "NAME",
      help: "by what name a page finds the features' examples; by default the model's",
    },
    ...RUN_OPTIONS,
    ...FLAG_OPTIONS,
    "exclude-special-tokens": {
      ...EXCLUDE_OPTIONS["exclude-special-tokens"],
      help: "leave features and errors out at BOS and other special tokens, or do not; " +
        "by default they are left out at the first position alone, as by circuit-tracer (of Gemma 3 -it at four)",
    },
    "exclude-token-ids": EXCLUDE_OPTIONS["exclude-token-ids"],
    output: {
      kind: "string",
      writes: "file",
      placeholder: "FILE",
      help: "write the graph to a file, whole or not at all",
    },
    "graph-file-dir": {
      kind: "string",
      writes: "directory",
      placeholder: "DIR",
      help: "add the graph to the directory from which circuit-tracer start-server serves its page",
    },
    ...DEVICE_OPTIONS,
    quiet: { ...DEVICE_OPTIONS.quiet, help: "print nothing but the graph and errors" },
  },
  examples: [
    'graph " Tiger Woods plays the sport of" --output graph.json',
    "graph \" The capital of France is\" --model ./gpt2 --sae './transcoders/layer_{layer}.safetensors'",
  ],
} satisfies CommandSpec;

/** What `graph_run.ts` exports. */
interface RunModule {
  graph(request: GraphRequest): Promise<void>;
}

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  const threads = startEarly(request);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { graph } = await import(new URL("./graph_run.ts", import.meta.url).href) as RunModule;
  await graph({ ...request, threads });
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): GraphRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest({ positionals, values, order }: ParsedCommand<typeof spec>): GraphRequest {
  const saes = readSaes(order, bundledTranscoders(values.model));
  if (saes.length === 0) {
    throw noSae(values.model, "no transcoder", " per layer");
  }
  for (const name of ["slug", "scan", "output", "graph-file-dir"] as const) {
    if (values[name] === "") throw new UsageError(`--${name} is empty: give a name`);
  }
  if (values.slug !== undefined && !SLUG.test(values.slug)) {
    throw new UsageError(`--slug is ${quote(values.slug)}: it is a file's name too, use letters, digits, - and _`);
  }
  return {
    ...readRunRequest(values),
    prompt: readPromptSource(positionals, values["token-ids"]),
    saes,
    processingFlags: readFlags(values),
    excludeSpecialTokens: readExcluded(values),
    maxLogits: values["max-n-logits"],
    logitProbability: values["desired-logit-prob"],
    maxFeatures: values["max-feature-nodes"],
    nodeThreshold: values["node-threshold"],
    edgeThreshold: values["edge-threshold"],
    slug: values.slug,
    scan: values.scan,
    output: values.output,
    directory: values["graph-file-dir"],
  };
}

/** The transcoders that come with a bundled model. */
function bundledTranscoders(model: string): SaeRequest[] {
  const bundled = Object.hasOwn(BUNDLED, model) ? Object.entries(BUNDLED[model].saes) : [];
  return bundled.filter(([, { hook }]) => hook.endsWith(".hook_mlp_out")).map(([source]) => ({ source }));
}
