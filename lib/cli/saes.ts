/**
 * `saes`: which SAEs there are.
 *
 * @module
 */
import { type CommandSpec, helpText, parseCommand, type ParsedCommand } from "./args.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "./format.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";

/** Everything that the command line asks for. */
export interface SaesRequest {
  readonly model: string | undefined;
  /** A model by any of its names, or words as in `search`. */
  readonly text: string | undefined;
  readonly search: string;
  readonly destination: Destination;
}

const spec = {
  name: "saes",
  summary: "List the SAEs that can be named: the bundled ones, then SAELens's public directory.",
  usage: "[MODEL | TEXT] [--model M] [--search TEXT] [--format F]",
  positionals: [{
    name: "TEXT",
    help: "the same as --model where it is a model's name, else the same as --search",
    required: false,
  }],
  options: {
    model: { kind: "string", placeholder: "M", help: "only those for this model, by any of its names" },
    search: {
      kind: "string",
      placeholder: "TEXT",
      help: "only those with every word of it in their names, hook, repository or Neuronpedia id",
    },
    ...FORMAT_OPTIONS,
  },
  examples: ["saes gpt2", "saes res-jb", "saes --model gemma-2-2b --search 'canonical layer_12/' --format csv"],
} satisfies CommandSpec;

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parseCommand(spec, args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { listSaes } = await import(new URL("./saes_run.ts", import.meta.url).href) as typeof import("./saes_run.ts");
  await listSaes(request);
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): SaesRequest {
  return readRequest(parseCommand(spec, args));
}

function readRequest({ positionals: [text], values }: ParsedCommand<typeof spec>): SaesRequest {
  const { model, search = "" } = values;
  return { model, text, search, destination: readDestination(values, stdoutScreen().isTerminal) };
}
