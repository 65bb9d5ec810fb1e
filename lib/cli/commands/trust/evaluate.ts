/**
 * `evaluate PROMPT`: how faithful the strongest features are to the whole.
 *
 * @module
 */
import type { DownstreamError } from "../../../attribution/change/downstream_error.ts";
import { type Ablation, ABLATIONS } from "../../../attribution/change/ablated.ts";
import { FEATURE_ORDERS, type FeatureOrder } from "../../../attribution/sets/names.ts";
import { type CommandSpec, type ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { ERROR_FIELDS, EXPLAIN_FIELDS, METHOD_FIELDS } from "../../../request/fields.ts";
import {
  type Destination,
  DOWNSTREAM_OPTIONS,
  FORMAT_OPTIONS,
  readDestination,
  readDownstreamError,
} from "../../args/options.ts";
import { DEVICE_OPTIONS, PROMPT, type PromptRequest, readPromptRequest } from "../../args/run_request.ts";
import { RequestError } from "../../../request/request_error.ts";

export interface EvaluateRequest extends PromptRequest {
  /** Undefined: 1, 2, 5, 10 … */
  readonly counts: readonly number[] | undefined;
  readonly ablation: Ablation;
  readonly order: FeatureOrder;
  readonly downstreamError: DownstreamError;
  readonly destination: Destination;
}

const spec = {
  name: "evaluate",
  summary:
    "Faithfulness curves: the metric when only the K features with the largest |attribution| are kept, and when\n" +
    "only these are ablated: rows of mode, k, nodes, metric and faithfulness on standard output.",
  usage: "PROMPT [--pos-token T] [--neg-token T] [--model M] [--sae S]... [--counts 1,2,5] [options]",
  positionals: [PROMPT],
  options: {
    counts: {
      kind: "integers",
      placeholder: "1,2,5",
      min: 1,
      help: "values of K; by default 1, 2, 5, 10, 20 … and all",
    },
    ablation: {
      kind: "string",
      choices: ABLATIONS,
      placeholder: "A",
      default: ABLATIONS[0],
      help: "what takes an activation's place: 0, or the feature's mean over this prompt (without its first position)",
    },
    order: {
      kind: "string",
      choices: FEATURE_ORDERS,
      placeholder: "O",
      default: FEATURE_ORDERS[0],
      help: "which features come first: by |attribution|, or in an order that is learnt as by select; takes longer",
    },
    ...EXPLAIN_FIELDS,
    includeErrorTerm: {
      ...ERROR_FIELDS.includeErrorTerm,
      help: "drop what the SAE does not explain, in the run and in the curves; by default it is kept",
    },
    ...METHOD_FIELDS,
    ...DOWNSTREAM_OPTIONS,
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'evaluate " Tiger Woods plays the sport of" --pos-token " golf" --neg-token " tennis"',
    'evaluate " The capital of France is" --ablation mean --no-error-term --counts 1,10,100 --output curves.csv',
  ],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<EvaluateRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/trust/evaluate.ts", import.meta.url), "evaluate"],
  startsModel: true,
});

function readRequest(parsed: ParsedCommand<typeof spec>, { isTerminal }: Given): EvaluateRequest {
  const { values, order } = parsed;
  const useless = order.find(([name]) => Object.hasOwn(METHOD_FIELDS, name))?.[0];
  if (values.order === "learnt" && useless !== undefined) {
    throw new RequestError(`\`${useless}\` has no part in \`order: "learnt"\`: leave out one of them`);
  }
  return {
    ...readPromptRequest(parsed),
    counts: values.counts,
    ablation: values.ablation,
    order: values.order,
    downstreamError: readDownstreamError(values),
    destination: readDestination(values, isTerminal),
  };
}
