/**
 * `edges PROMPT`: what makes features: direct effects of features, errors and embeddings further down.
 *
 * @module
 */
import type { HookFeature } from "../../../attribution/circuits/feature_edges.ts";
import { type CommandSpec, type ParsedCommand, UsageError } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { quote } from "../../args/values.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../../args/options.ts";
import {
  CHAT_FIELDS,
  EXCLUDE_FIELDS,
  FLAG_FIELDS,
  MODEL_FIELDS,
  RUN_FIELDS,
  SAE_FIELDS,
} from "../../../request/fields.ts";
import { bundledSaes, EVERY_LAYER, readSaes, type SaeRequest } from "../../../request/saes.ts";
import type { RolePositions } from "../../../attribution/positions.ts";
import { type ChatValues, readPosition } from "../../../request/rows.ts";
import { DEVICE_OPTIONS, type ModelPromptRequest, PROMPT, readModelPrompt } from "../../args/run_request.ts";

/** A feature as asked for; without a hook, of the last SAE. */
export type TargetRequest = Omit<HookFeature, "hook" | "position"> & {
  readonly hook?: string;
  /** It may be named by role. */
  readonly position: number | RolePositions;
};

export interface EdgesRequest extends ModelPromptRequest {
  readonly saes: readonly SaeRequest[];
  /** Empty: the active features at the last position. */
  readonly targets: readonly TargetRequest[];
  readonly top: number | undefined;
  readonly featuresOnly: boolean;
  /** Columns of what features stand for. */
  readonly labels: boolean;
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
      help:
        "feature F at position P (from the end when negative; user:3: in a chat's message) of the SAE that writes H, by default the last one; " +
        "without any, all active features at the last position",
    },
    ...MODEL_FIELDS,
    sae: {
      ...SAE_FIELDS.sae,
      help:
        "two or more SAEs or transcoders (default: the bundled model's), as in attribute; {layer} in S stands for every layer",
    },
    hookIn: SAE_FIELDS.hookIn,
    normScalingFactor: SAE_FIELDS.normScalingFactor,
    top: { kind: "integer", placeholder: "K", min: 1, help: "the K rows with the largest |weight|" },
    labels: { kind: "boolean", help: "columns source_label and target_label: what features stand for" },
    explanations: SAE_FIELDS.explanations,
    featuresOnly: { kind: "boolean", help: "leave out errors, biases and embeddings" },
    ...CHAT_FIELDS,
    ...RUN_FIELDS,
    ...FLAG_FIELDS,
    ...EXCLUDE_FIELDS,
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'edges " Tiger Woods plays the sport of" --target 189@-1 --top 20',
    'edges " The capital of France is" --features-only --output edges.csv',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<EdgesRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/circuits/edges.ts", import.meta.url), "edges"],
  startsModel: true,
});

function readRequest(parsed: ParsedCommand<typeof spec>, { isTerminal }: Given): EdgesRequest {
  const { values, order } = parsed;
  const saes = readSaes(order, bundledSaes(values.model, "hook_resid_pre"));
  if (saes.length < 2 && !saes.some(({ source }) => source.includes(EVERY_LAYER))) {
    throw new UsageError(`edges go from one SAE to another and there is ${saes.length}: give --sae two times or more`);
  }
  return {
    ...readModelPrompt(parsed),
    saes,
    targets: values.target.map((text) => readTarget(text, values)),
    top: values.top,
    featuresOnly: values.featuresOnly,
    labels: values.labels || saes.some(({ explanations }) => explanations !== undefined),
    destination: readDestination(values, isTerminal),
  };
}

function readTarget(text: string, chat: ChatValues): TargetRequest {
  const match = /^(\d{1,9})@(-?\d{1,9}|[A-Za-z_][^@:]*:[+-]?\d{1,9})(?:@(.+))?$/.exec(text);
  if (match === null) {
    throw new UsageError(`--target is ${quote(text)}: write FEATURE@POSITION or FEATURE@POSITION@HOOK, as in 189@-1`);
  }
  const [, feature, position, hook] = match;
  return {
    feature: Number(feature),
    position: readPosition(position, chat, "target"),
    ...(hook === undefined ? {} : { hook }),
  };
}
