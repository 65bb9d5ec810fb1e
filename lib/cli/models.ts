/**
 * `models`: which models there are.
 *
 * @module
 */
import { type CommandSpec, helpText, parseCommand, type ParsedCommand } from "./args.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "./format.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";

/** Everything that the command line asks for. */
export interface ModelsRequest {
  readonly search: string;
  readonly destination: Destination;
}

const spec = {
  name: "models",
  summary: "List the models that can be named: the bundled ones, then TransformerLens's and those that SAEs are for. " +
    "Any other Hugging Face model of the same families runs as owner/name.",
  usage: "[TEXT] [--format F]",
  positionals: [{ name: "TEXT", help: "the same as --search", required: false }],
  options: {
    search: {
      kind: "string",
      placeholder: "TEXT",
      help: "only those with every word of it in their names or family",
    },
    ...FORMAT_OPTIONS,
  },
  examples: ["models pythia", "models --search 'gemma 2b' --format json"],
} satisfies CommandSpec;

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { listModels } = await import(
    new URL("./models_run.ts", import.meta.url).href
  ) as typeof import("./models_run.ts");
  await listModels(request);
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): ModelsRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest({ positionals: [text = ""], values }: ParsedCommand<typeof spec>): ModelsRequest {
  return {
    search: `${text} ${values.search ?? ""}`.trim(),
    destination: readDestination(values, stdoutScreen().isTerminal),
  };
}
