/**
 * `attribute PROMPT`: which SAE features speak for one next token and against another.
 *
 * @module
 */
import type { CommandSpec, ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import {
  type Destination,
  FORMAT_OPTIONS,
  readDestination,
  readVerify,
  VERIFY_OPTIONS,
  type VerifyRequest,
} from "../../args/options.ts";
import { ATTRIBUTION_FIELDS, ROW_FIELDS } from "../../../request/fields.ts";
import { RequestError } from "../../../request/request_error.ts";
import { DEVICE_OPTIONS, PROMPT, type PromptRequest, readPromptRequest } from "../../args/run_request.ts";
import { EXACT_METHODS } from "../../../attribution/methods/names.ts";
import { noSae } from "../../../request/saes.ts";

export interface AttributeRequest extends PromptRequest {
  readonly trackHookPoints: readonly string[];
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
    ...ATTRIBUTION_FIELDS,
    track: {
      kind: "string",
      multiple: true,
      placeholder: "HOOK",
      help: "also attribute to the model's own activation at this hook, in rows of kind activation",
    },
    ...ROW_FIELDS,
    ...FORMAT_OPTIONS,
    summary: {
      kind: "string",
      writes: "file",
      placeholder: "FILE",
      help: "write the run in figures to a file, as JSON",
    },
    saveTensors: {
      kind: "string",
      writes: "file",
      placeholder: "FILE",
      help: "write active features, gradients, attributions and errors to a file, as safetensors",
    },
    emitPython: {
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
    'attribute " Tiger Woods plays the sport" --answer-text " of golf. Roger" --top 5',
    'attribute " The capital of France is" --generate 10 --summary answer.json',
    'attribute " golf" --model ./gpt2 --sae ./sae@blocks.8.hook_resid_pre --summary run.json',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<AttributeRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/explain/attribute.ts", import.meta.url), "attribute"],
  startsModel: true,
});

function readRequest(parsed: ParsedCommand<typeof spec>, { isTerminal }: Given): AttributeRequest {
  const { values } = parsed;
  const request = readPromptRequest(parsed, true);
  if (request.saes.length === 0 && values.track.length === 0) {
    throw noSae(values.model, "no SAE", ", or a hook to `track`");
  }
  if (request.baseline !== "zero" && values.track.length > 0) {
    throw new RequestError(
      "`track` shows activations as they are, which `baseline` does not compare: leave out one of them",
    );
  }
  if (request.integration !== undefined && values.track.length > 0) {
    throw new RequestError("`track` has no integrated gradients: leave out `track`, or choose another `method`");
  }
  if (request.answer !== undefined) refuseOfOneMetric(values);
  if (EXACT_METHODS.includes(request.method) && values.track.length > 0) {
    throw new RequestError("`track` has no exact effects: leave out `track`, or choose another `method`");
  }
  if (request.exact !== undefined && values.emitPython !== undefined) {
    throw new RequestError("`emitPython` writes gradients alone: leave it out, or what makes rows exact");
  }
  for (const name of ["summary", "saveTensors", "emitPython"] as const) {
    if (values[name] === "") throw new RequestError(`\`${name}\` is empty: give the name of a file`);
  }
  return {
    ...request,
    trackHookPoints: [...new Set(values.track)],
    destination: readDestination(values, isTerminal),
    summary: values.summary,
    saveTensors: values.saveTensors,
    emitPython: values.emitPython,
    check: values.check,
    verify: readVerify(values),
  };
}

/** @throws {RequestError} if an option is about one metric's run */
function refuseOfOneMetric(values: ParsedCommand<typeof spec>["values"]): void {
  const isGiven = (value: unknown): boolean => Array.isArray(value) ? value.length > 0 : (value ?? false) !== false;
  const names = ["track", "saveTensors", "emitPython", "check", "verify", "verifySeed", "downstreamError"] as const;
  const other = names.find((name) => isGiven(values[name]));
  if (other === undefined) return;
  throw new RequestError(
    `\`${other}\` is about the run of one metric, and each token of an answer has its own: leave out one of them`,
  );
}
