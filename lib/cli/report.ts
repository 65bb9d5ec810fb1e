/**
 * `report PROMPT`: an attribution as one HTML file.
 *
 * @module
 */
import { type CommandSpec, helpText, parseCommand, type ParsedCommand, UsageError } from "./args.ts";
import { ATTRIBUTION_OPTIONS, type AttributionRequest, readAttribution } from "./attribution_options.ts";
import { DEVICE_OPTIONS, PROMPT } from "./options.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";
import { noSae } from "./sae_options.ts";
import { startEarly } from "./start_early.ts";

/** Everything that the command line asks for. */
export interface ReportRequest extends AttributionRequest {
  /** The file; undefined: standard output. */
  readonly output: string | undefined;
  /** How many features per SAE get the tokens that they raise and lower, and their contexts. */
  readonly cards: number;
  /** The command line, less the program's name. */
  readonly args: readonly string[];
}

const spec = {
  name: "report",
  summary:
    "Attribute a prediction to the features of sparse autoencoders (SAEs), and write it as one HTML file that\n" +
    "needs no network to be read.",
  usage: "PROMPT [--pos-token T] [--neg-token T] [--model M] [--sae S]... --output FILE [options]",
  positionals: [PROMPT],
  options: {
    ...ATTRIBUTION_OPTIONS,
    output: { kind: "string", writes: "file", placeholder: "FILE", help: "the file to write, whole or not at all" },
    cards: {
      kind: "integer",
      placeholder: "N",
      min: 0,
      max: 2000,
      default: "150",
      help: "the strongest N features of each SAE get the tokens that they raise and lower",
    },
    ...DEVICE_OPTIONS,
  },
  examples: [
    'report " Tiger Woods plays the sport of" --pos-token " golf" --neg-token " tennis" --output report.html',
    'report " The capital of France is" --sae tiny-facts/blocks.2.hook_resid_pre --output france.html',
  ],
} satisfies CommandSpec;

/** What `report_run.ts` exports. */
interface RunModule {
  report(request: ReportRequest): Promise<void>;
}

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed, args, stdoutScreen().isTerminal);
  await checkOutputs(spec, parsed);
  const threads = startEarly(request);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { report } = await import(new URL("./report_run.ts", import.meta.url).href) as RunModule;
  await report({ ...request, threads });
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[], isTerminal = false): ReportRequest {
  return readRequest(parseCommand(spec, args), args, isTerminal);
}

function readRequest(parsed: ParsedCommand<typeof spec>, args: readonly string[], isTerminal: boolean): ReportRequest {
  const { values } = parsed;
  const attribution = readAttribution(parsed);
  if (attribution.saes.length === 0) {
    throw noSae(values.model);
  }
  if (values.output === "") throw new UsageError("--output is empty: give the name of a file");
  if (values.output === undefined && isTerminal) {
    throw new UsageError("a report is no text for a terminal: give --output report.html");
  }
  return { ...attribution, output: values.output, cards: values.cards, args };
}
