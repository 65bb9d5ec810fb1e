/**
 * `models`: which models there are.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../../args/options.ts";

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

export const { run, parseRequest }: Command<ModelsRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/names/models.ts", import.meta.url), "listModels"],
});

function readRequest(
  { positionals: [text = ""], values }: ParsedCommand<typeof spec>,
  { isTerminal }: Given,
): ModelsRequest {
  return {
    search: `${text} ${values.search ?? ""}`.trim(),
    destination: readDestination(values, isTerminal),
  };
}
