/**
 * `evaluate PROMPT`: how faithful the strongest features are to the whole.
 *
 * @module
 */
import type { DownstreamError } from "../attribution/downstream_error.ts";
import type { Ablation } from "../attribution/faithfulness.ts";
import { type CommandSpec, helpText, parseCommand, type ParsedCommand } from "./args.ts";
import { EXPLAIN_OPTIONS, type ExplainRequest, readExplain } from "./explain_options.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "./format.ts";
import { ONLY_METHOD_OPTIONS, readOnlyMethod } from "./method_options.ts";
import { DEVICE_OPTIONS, PROMPT } from "./options.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";
import { startEarly } from "./start_early.ts";
import { DOWNSTREAM_OPTIONS, readDownstreamError } from "./ablation_options.ts";

/** Everything that the command line asks for. */
export interface EvaluateRequest extends ExplainRequest {
  /** Undefined: 1, 2, 5, 10 … */
  readonly counts: readonly number[] | undefined;
  readonly ablation: Ablation;
  readonly downstreamError: DownstreamError;
  readonly destination: Destination;
}

const ABLATIONS: readonly Ablation[] = ["zero", "mean"];

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
    ...EXPLAIN_OPTIONS,
    "no-error-term": {
      kind: "boolean",
      help: "drop what the SAE does not explain, in the run and in the curves; by default it is kept",
    },
    ...ONLY_METHOD_OPTIONS,
    ...DOWNSTREAM_OPTIONS,
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'evaluate " Tiger Woods plays the sport of" --pos-token " golf" --neg-token " tennis"',
    'evaluate " The capital of France is" --ablation mean --no-error-term --counts 1,10,100 --output curves.csv',
  ],
} satisfies CommandSpec;

/** What `evaluate_run.ts` exports. */
interface RunModule {
  evaluate(request: EvaluateRequest): Promise<void>;
}

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  const threads = startEarly(request);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { evaluate } = await import(new URL("./evaluate_run.ts", import.meta.url).href) as RunModule;
  await evaluate({ ...request, threads });
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): EvaluateRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest({ positionals, values, order }: ParsedCommand<typeof spec>): EvaluateRequest {
  return {
    ...readExplain(positionals, values, order),
    ...readOnlyMethod(values),
    counts: values.counts,
    ablation: values.ablation as Ablation,
    downstreamError: readDownstreamError(values),
    destination: readDestination(values, stdoutScreen().isTerminal),
  };
}
