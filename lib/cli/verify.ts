/**
 * `verify [FILE]`: does this program, on this machine, give the numbers that others have published?
 *
 * @module
 */
import { type CommandSpec, helpText, parseCommand, type ParsedCommand } from "./args.ts";
import { UsageError } from "./args_values.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "./format.ts";
import { DEVICE_OPTIONS, type RunRequest } from "./options.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";

/** Everything that the command line asks for. */
export interface VerifyRequest extends Pick<RunRequest, "device" | "threads" | "quiet"> {
  /** A file of figures; undefined: the notebook's. */
  readonly file: string | undefined;
  /** Undefined: as the figures say. */
  readonly model: string | undefined;
  readonly sae: string | undefined;
  readonly destination: Destination;
}

const spec = {
  name: "verify",
  summary: "Compute published figures again and say which agree: rows of figure, published, computed, tolerance and\n" +
    "agrees. Without FILE, those that the notebook prints for gpt2-small and gpt2-small-res-jb, which are downloaded\n" +
    "(700 MB). Exits with 1 if one does not agree.",
  usage: "[FILE] [--model M] [--sae S] [options]",
  positionals: [{
    reads: true,
    name: "FILE",
    help:
      "figures as JSON: model, sae, prompt, pos_token, neg_token, and of metric, tokens, next_tokens, attributions, " +
      "top_at_position and tolerances what there is, as in models/verify/notebook.json",
    required: false,
  }],
  options: {
    model: { kind: "string", placeholder: "M", help: "a copy of the model that the figures are of" },
    sae: { kind: "string", placeholder: "S", help: "a copy of the SAE that the figures are of" },
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: ["verify", "verify --model ./gpt2 --sae ./gpt2-small-res-jb/blocks.10.hook_resid_pre", "verify mine.json"],
} satisfies CommandSpec;

/** What `verify_run.ts` exports. */
interface RunModule {
  verify(request: VerifyRequest): Promise<void>;
}

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { verify } = await import(new URL("./verify_run.ts", import.meta.url).href) as RunModule;
  await verify(request);
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): VerifyRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest({ positionals: [file], values }: ParsedCommand<typeof spec>): VerifyRequest {
  if (file === "") throw new UsageError("FILE is empty: give the name of a file, or leave it out");
  const { model, sae, device, threads, quiet } = values;
  return {
    file,
    model,
    sae,
    device: device as RunRequest["device"],
    threads,
    quiet,
    destination: readDestination(values, stdoutScreen().isTerminal),
  };
}
