/**
 * `graph PROMPT`: the attribution graph of a prompt, as circuit-tracer's JSON.
 *
 * @module
 */
import { FORMAT_OPTIONS } from "../../args/options.ts";
import { quote } from "../../args/values.ts";
import { type CommandSpec, type ParsedCommand, UsageError } from "../../args/args.ts";
import { type Command, defineCommand } from "../../args/command.ts";
import {
  CHAT_FIELDS,
  EXCLUDE_FIELDS,
  FLAG_FIELDS,
  MODEL_FIELDS,
  RUN_FIELDS,
  SAE_FIELDS,
} from "../../../request/fields.ts";
import { RequestError } from "../../../request/request_error.ts";
import { bundledSaes, noSae, readSaes, type SaeRequest } from "../../../request/saes.ts";
import { DEVICE_OPTIONS, type ModelPromptRequest, PROMPT, readModelPrompt } from "../../args/run_request.ts";

export interface GraphRequest extends ModelPromptRequest {
  readonly saes: readonly SaeRequest[];
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
    ...MODEL_FIELDS,
    sae: {
      ...SAE_FIELDS.sae,
      help: "the transcoder of one MLP (default: the bundled model's), as in attribute; one for each layer, " +
        "{layer} in S stands for every layer; an MLP without one is all error",
    },
    hookIn: SAE_FIELDS.hookIn,
    explanations: SAE_FIELDS.explanations,
    maxNLogits: { kind: "integer", placeholder: "N", min: 1, default: "10", help: "the most logits" },
    desiredLogitProb: {
      kind: "number",
      placeholder: "P",
      min: 0,
      max: 1,
      default: "0.95",
      help: "no more logits than have this probability together",
    },
    maxFeatureNodes: {
      kind: "integer",
      placeholder: "N",
      min: 1,
      default: "7500",
      help: "the most features to look into: those with the most influence",
    },
    nodeThreshold: {
      kind: "number",
      placeholder: "X",
      min: 0,
      max: 1,
      default: "0.8",
      help: "the share of the nodes' influence to keep",
    },
    edgeThreshold: {
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
    ...CHAT_FIELDS,
    ...RUN_FIELDS,
    ...FLAG_FIELDS,
    excludeSpecialTokens: {
      ...EXCLUDE_FIELDS.excludeSpecialTokens,
      help: "leave features and errors out at BOS and other special tokens, or do not; " +
        "by default they are left out at the first position alone, as by circuit-tracer (of Gemma 3 -it at four)",
    },
    excludeTokenIds: EXCLUDE_FIELDS.excludeTokenIds,
    output: { ...FORMAT_OPTIONS.output, help: "write the graph to a file, whole or not at all" },
    graphFileDir: {
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

export const { run, parseRequest }: Command<GraphRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/circuits/graph.ts", import.meta.url), "graph"],
  startsModel: true,
});

function readRequest(parsed: ParsedCommand<typeof spec>): GraphRequest {
  const { values, order } = parsed;
  const saes = readSaes(order, bundledSaes(values.model, "hook_mlp_out"));
  if (saes.length === 0) {
    throw noSae(values.model, "no transcoder", " per layer");
  }
  for (const name of ["slug", "scan", "output", "graphFileDir"] as const) {
    if (values[name] === "") throw new RequestError(`\`${name}\` is empty: give a name`);
  }
  if (values.slug !== undefined && !SLUG.test(values.slug)) {
    throw new UsageError(`--slug is ${quote(values.slug)}: it is a file's name too, use letters, digits, - and _`);
  }
  return {
    ...readModelPrompt(parsed),
    saes,
    maxLogits: values.maxNLogits,
    logitProbability: values.desiredLogitProb,
    maxFeatures: values.maxFeatureNodes,
    nodeThreshold: values.nodeThreshold,
    edgeThreshold: values.edgeThreshold,
    slug: values.slug,
    scan: values.scan,
    output: values.output,
    directory: values.graphFileDir,
  };
}
