/**
 * `pull NAME...`: downloads models and SAEs into the cache.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../../args/options.ts";

export interface PullRequest {
  readonly names: readonly string[];
  readonly revision: string | undefined;
  readonly include: readonly string[];
  readonly quiet: boolean;
  readonly destination: Destination;
}

const NAME = {
  name: "NAME",
  help: "a model or SAE by its name, or hf:owner/name[@revision][:path]; several may be given",
  required: true,
  repeats: true,
};

const spec = {
  name: "pull",
  summary: "Download models and SAEs into the cache that huggingface_hub uses too: only what is not there yet, going " +
    "on where an earlier download was cut off. Rows of file, size, downloaded and path.",
  usage: "NAME... [--revision R] [--include GLOB]",
  positionals: [NAME],
  options: {
    revision: { kind: "string", placeholder: "R", help: "a branch, tag or commit (default: main)" },
    include: {
      kind: "string",
      placeholder: "GLOB",
      multiple: true,
      help: "only files that fit, * also across directories; by default configuration, tokenizer and safetensors",
    },
    quiet: { kind: "boolean", help: "print nothing but the rows and errors" },
    ...FORMAT_OPTIONS,
  },
  examples: ["pull gpt2", "pull hf:owner/saes@v1:blocks.8.hook_resid_pre", "pull owner/name --include 'layer_8/*'"],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<PullRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/names/pull.ts", import.meta.url), "pull"],
});

function readRequest({ positionals, values }: ParsedCommand<typeof spec>, { isTerminal }: Given): PullRequest {
  return {
    names: positionals,
    revision: values.revision,
    include: values.include,
    quiet: values.quiet,
    destination: readDestination(values, isTerminal),
  };
}
