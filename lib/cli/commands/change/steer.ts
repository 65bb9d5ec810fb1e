/**
 * `steer PROMPT`: what the model says with other activations of features.
 *
 * @module
 */
import type { DownstreamError } from "../../../attribution/change/downstream_error.ts";
import type { Intervention } from "../../../attribution/change/interventions.ts";
import type { SteeringVector } from "../../../attribution/change/steering_vector.ts";
import type { RolePositions } from "../../../attribution/positions.ts";
import { type CommandSpec, type ParsedCommand, UsageError } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { type GenerationRequest, readGeneration, SAMPLING_OPTIONS } from "../../args/generation.ts";
import { quote } from "../../args/values.ts";
import { type Field, flagOf } from "../../../request/field.ts";
import { EXPLAIN_FIELDS, METRIC_FIELDS } from "../../../request/fields.ts";
import {
  type Destination,
  DOWNSTREAM_OPTIONS,
  FORMAT_OPTIONS,
  readDestination,
  readDownstreamError,
} from "../../args/options.ts";
import { type ChatValues, readPosition } from "../../../request/rows.ts";
import type { MetricRequest } from "../../../request/metric.ts";
import { DEVICE_OPTIONS, PROMPT, type PromptRequest, readPromptRequest } from "../../args/run_request.ts";

/** A change as asked for, which may name its position by role. */
export type Asked<T extends { readonly position: Intervention["position"] }> = Omit<T, "position"> & {
  readonly position: T["position"] | RolePositions;
};

export interface SteerRequest extends Omit<PromptRequest, "metric"> {
  /** In the order in which they were given. */
  readonly interventions: readonly Asked<Intervention>[];
  /** Vectors that are added too. */
  readonly vectors: readonly VectorRequest[];
  /** A number to compare before and after. */
  readonly metric: MetricRequest | undefined;
  readonly top: number;
  readonly position: number | RolePositions;
  readonly downstreamError: DownstreamError;
  readonly destination: Destination;
  /** Texts in the place of next tokens. */
  readonly text: SteerTextRequest | undefined;
}

/** A steering vector in a file. */
export interface VectorRequest extends Required<Omit<Asked<SteeringVector>, "vector">> {
  readonly file: string;
  /** Which of its tensors. */
  readonly tensor: string | undefined;
}

/** Texts at several strengths. */
export interface SteerTextRequest {
  readonly generation: GenerationRequest;
  readonly strengths: readonly number[];
}

/** How the options write an intervention. */
const PLACEHOLDER = "[HOOK:]F@P=V";

const spec = {
  name: "steer",
  summary:
    "Run the model as it is and with other activations of features of sparse autoencoders (SAEs): rows of next\n" +
    "tokens before and after on standard output; with --generate of texts at several strengths.",
  usage: "PROMPT --set F@P=V|--add F@P=V|--scale F@P=V|--vector FILE@HOOK... [--model M] [--sae S]... [options]",
  positionals: [PROMPT],
  options: {
    set: {
      kind: "string",
      multiple: true,
      placeholder: PLACEHOLDER,
      help:
        "give feature F at position P (from the end when negative; user:3: in a chat's message; *: at all; new: at " +
        "generated ones; prompt: at all others) the activation V; " +
        "HOOK is where its SAE writes, needed where there are several",
    },
    add: { kind: "string", multiple: true, placeholder: PLACEHOLDER, help: "add V to the activation" },
    scale: { kind: "string", multiple: true, placeholder: PLACEHOLDER, help: "multiply the activation by V" },
    vector: {
      kind: "string",
      multiple: true,
      placeholder: "FILE@HOOK[@P][=V]",
      help:
        "add V (1 if it is left out) times the vector in FILE (FILE:TENSOR of several; safetensors, npz, npy, pt, or a " +
        "list in JSON) at any hook, at P (all if it is left out); no SAE is needed",
    },
    relative: {
      kind: "boolean",
      help: "what is added of vectors is V times as long as the value at the hook, at each position",
    },
    top: { kind: "integer", placeholder: "K", min: 1, default: "10", help: "next tokens, of those before and after" },
    position: {
      kind: "string",
      placeholder: "P",
      default: "-1",
      help: "position whose next token is shown, from the end when negative; user:3: in a chat's message",
    },
    generate: {
      kind: "integer",
      placeholder: "N",
      min: 1,
      max: 1_000_000,
      help:
        "compare texts of up to N tokens and not next tokens: rows of strength, text, tokens, perplexity (of the model " +
        "as it is) and mean activations at the text",
    },
    strengths: {
      kind: "string",
      placeholder: "S,S",
      help: "how much of the changes is done, a text for each; by default 0,1: without and with them",
    },
    ...SAMPLING_OPTIONS,
    ...EXPLAIN_FIELDS,
    ...DOWNSTREAM_OPTIONS,
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'steer " Tiger Woods plays the sport of" --set 189@-1=0',
    'steer " Tiger Woods plays the sport of" --add 29@*=20 --generate 8 --strengths 0,1,4',
    'steer " Tiger Woods plays the sport of" --vector golf.safetensors@blocks.3.hook_resid_pre=4 --generate 8',
    'steer " The capital of France is" --scale 12@*=3 --add 7@-1=10 --pos-token " Paris" --neg-token " Rome"',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<SteerRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/change/steer.ts", import.meta.url), "steerAndWrite"],
  startsModel: ({ text }) => text === undefined ? true : "for many runs",
});

function readRequest(parsed: ParsedCommand<typeof spec>, { isTerminal }: Given): SteerRequest {
  const { values, order } = parsed;
  const interventions = order.flatMap(([name, value]) =>
    name === "set" || name === "add" || name === "scale" ? [readIntervention(name, String(value), values)] : []
  );
  const vectors = (values.vector ?? []).map((text) => readVector(text, values.relative ?? false, values));
  if (interventions.length + vectors.length === 0) {
    throw new UsageError(
      "nothing is to be changed: give --set, --add or --scale with FEATURE@POSITION=VALUE, or --vector FILE@HOOK",
    );
  }
  if (values.relative && vectors.length === 0) throw new UsageError("--relative means nothing without --vector");
  if (values.generate === undefined && [...interventions, ...vectors].some(({ position }) => position === "new")) {
    throw new UsageError("the position new means nothing without --generate N");
  }
  const text = readText(parsed);
  // For a run `generate` would be an answer to explain.
  const asked = { ...parsed, values: { ...values, generate: undefined } };
  const { metric, ...explained } = readPromptRequest(asked, interventions.length === 0);
  // The SAE that goes with a model has no part in what vectors do.
  const isWithoutSae = interventions.length === 0 && !order.some(([name]) => name === "sae");
  const asksForMetric = order.some(([name]) => Object.hasOwn(METRIC_FIELDS, name));
  return {
    ...explained,
    saes: isWithoutSae ? [] : explained.saes,
    interventions,
    vectors,
    metric: asksForMetric ? metric : undefined,
    top: values.top,
    position: readPosition(values.position, values, "position"),
    downstreamError: readDownstreamError(values),
    destination: readDestination(values, isTerminal),
    text,
  };
}

/** What means nothing where texts are compared, and the other way round. */
const OF_TOKENS = new Set<string>([
  "top",
  "position",
  "downstreamError",
  "includeErrorTerm",
  ...Object.keys(METRIC_FIELDS),
]);
const OF_TEXT = new Set<string>(["strengths", ...Object.keys(SAMPLING_OPTIONS)]);

/** @throws {UsageError} if an option means nothing with the others */
function readText({ values, order }: ParsedCommand<typeof spec>): SteerTextRequest | undefined {
  const { generate } = values;
  const odd = order.find(([name]) => (generate === undefined ? OF_TEXT : OF_TOKENS).has(name))?.[0];
  if (odd !== undefined) {
    const field: Field = spec.options[odd as keyof typeof spec.options];
    const flag = flagOf(odd, field);
    throw new UsageError(`--${flag} means nothing ${generate === undefined ? "without" : "with"} --generate N`);
  }
  if (generate === undefined) return undefined;
  const strengths = (values.strengths ?? "0,1").split(",").map((text) => text.trim() === "" ? NaN : Number(text));
  if (!strengths.every(Number.isFinite)) {
    throw new UsageError(`--strengths is ${quote(values.strengths!)}: write numbers, as in 0,2,4,8`);
  }
  const twice = strengths.find((strength, i) => strengths.indexOf(strength) < i);
  if (twice !== undefined) throw new UsageError(`--strengths names ${twice} twice: a text for each, so give it once`);
  return { generation: readGeneration(values, generate), strengths };
}

const POSITION = String.raw`\*|new|prompt|[+-]?\d{1,9}|[A-Za-z_][^@=:]*:[+-]?\d{1,9}`;
const NUMBER = String.raw`[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?`;
const HOOK = String.raw`[A-Za-z_][\w.]*`;
const INTERVENTION = new RegExp(`^(?:(${HOOK}):)?(\\d{1,9})@(${POSITION})=(${NUMBER})$`, "i");
const VECTOR = new RegExp(`^(.+?)@(${HOOK})(?:@(${POSITION}))?(?:=(${NUMBER}))?$`, "i");
/** A tensor's name after a file's. */
const TENSOR = /^(.+\.(?:safetensors|npz|pth?)):(.+)$/i;

function readPlaces(text: string, chat: ChatValues, option: string): Asked<Intervention>["position"] {
  return text === "*" ? "all" : text === "new" || text === "prompt" ? text : readPosition(text, chat, option);
}

/**
 * `[HOOK:]FEATURE@POSITION=VALUE`.
 *
 * @throws {UsageError} if it is something else
 */
function readIntervention(
  how: Intervention["how"],
  text: string,
  chat: ChatValues,
): Asked<Intervention> {
  const [, hook, feature, position, value] = INTERVENTION.exec(text) ?? [];
  if (value === undefined || !Number.isFinite(Math.fround(Number(value)))) {
    throw new UsageError(
      `--${how} is ${quote(text)}: write FEATURE@POSITION=VALUE, such as 12@-1=0.5 or 12@*=0, ` +
        "after HOOK: where there are several SAEs",
    );
  }
  return {
    ...(hook === undefined ? {} : { hook }),
    feature: Number(feature),
    position: readPlaces(position, chat, how),
    how,
    value: Number(value),
  };
}

/**
 * `FILE[:TENSOR]@HOOK[@POSITION][=VALUE]`.
 *
 * @throws {UsageError} if it is something else
 */
function readVector(text: string, relative: boolean, chat: ChatValues): VectorRequest {
  const [, place, hook, position = "*", value = "1"] = VECTOR.exec(text) ?? [];
  if (place === undefined || !Number.isFinite(Number(value))) {
    throw new UsageError(
      `--vector is ${quote(text)}: write FILE@HOOK, FILE@HOOK=VALUE or FILE@HOOK@POSITION=VALUE, such as ` +
        "happy.safetensors@blocks.6.hook_resid_pre@new=4",
    );
  }
  const [, file = place, tensor] = TENSOR.exec(place) ?? [];
  return { file, tensor, hook, position: readPlaces(position, chat, "vector"), strength: Number(value), relative };
}
