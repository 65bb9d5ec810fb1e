/**
 * `ablate PROMPT`: what removing features does to a prediction, exactly.
 *
 * @module
 */
import type { DownstreamError } from "../attribution/downstream_error.ts";
import type { Positions } from "../attribution/positions.ts";
import { type CommandSpec, helpText, parseCommand, type ParsedCommand } from "./args.ts";
import { EXPLAIN_OPTIONS, type ExplainRequest, readExplain } from "./explain_options.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "./format.ts";
import { ONLY_METHOD_OPTIONS, readOnlyMethod } from "./method_options.ts";
import { DEVICE_OPTIONS, PROMPT } from "./options.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";
import { readPositions, ROW_OPTIONS } from "./row_options.ts";
import { startEarly } from "./start_early.ts";
import { DOWNSTREAM_OPTIONS, readDownstreamError } from "./ablation_options.ts";

/** What is removed at a time: a feature at one position, or at all of them. */
export type AblationUnit = "rows" | "features";

const UNITS: readonly AblationUnit[] = ["rows", "features"];

/** Everything that the command line asks for. */
export interface AblateRequest extends ExplainRequest {
  readonly unit: AblationUnit;
  readonly positions: Positions | undefined;
  readonly features: readonly number[] | undefined;
  readonly top: number;
  readonly downstreamError: DownstreamError;
  readonly destination: Destination;
}

const spec = {
  name: "ablate",
  summary:
    "Remove features of sparse autoencoders (SAEs) and run the rest of the model again: rows of attribution and\n" +
    "exact effect, metric - metric(without the feature), on standard output.",
  usage: "PROMPT [--pos-token T] [--neg-token T] [--model M] [--sae S]... [--top K] [options]",
  positionals: [PROMPT],
  options: {
    ...EXPLAIN_OPTIONS,
    table: {
      kind: "string",
      choices: UNITS,
      placeholder: "NAME",
      default: UNITS[0],
      help: "remove a feature at one position at a time, or at all positions (of --positions) at once",
    },
    top: {
      kind: "integer",
      placeholder: "K",
      min: 1,
      default: "100",
      help: "remove the K features with the largest |attribution|",
    },
    features: ROW_OPTIONS.features,
    positions: ROW_OPTIONS.positions,
    ...ONLY_METHOD_OPTIONS,
    ...DOWNSTREAM_OPTIONS,
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: [
    'ablate " Tiger Woods plays the sport of" --pos-token " golf" --neg-token " tennis"',
    'ablate " The capital of France is" --table features --top 20 --output effects.csv',
  ],
} satisfies CommandSpec;

/** What `ablate_run.ts` exports. */
interface RunModule {
  ablate(request: AblateRequest): Promise<void>;
}

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  const threads = startEarly(request);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { ablate } = await import(new URL("./ablate_run.ts", import.meta.url).href) as RunModule;
  await ablate({ ...request, threads });
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): AblateRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest({ positionals, values, order }: ParsedCommand<typeof spec>): AblateRequest {
  return {
    ...readExplain(positionals, values, order),
    ...readOnlyMethod(values),
    unit: values.table as AblationUnit,
    positions: values.positions === undefined ? undefined : readPositions(values.positions),
    features: values.features,
    top: values.top,
    downstreamError: readDownstreamError(values),
    destination: readDestination(values, stdoutScreen().isTerminal),
  };
}
