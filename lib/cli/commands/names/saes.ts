/**
 * `saes`: which SAEs there are.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../../args/options.ts";

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

export const { run, parseRequest }: Command<SaesRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/names/saes.ts", import.meta.url), "listSaes"],
});

function readRequest({ positionals: [text], values }: ParsedCommand<typeof spec>, { isTerminal }: Given): SaesRequest {
  const { model, search = "" } = values;
  return { model, text, search, destination: readDestination(values, isTerminal) };
}
