/**
 * `pull NAME...`: downloads models and SAEs into the cache.
 *
 * @module
 */
import { type CommandSpec, helpText, parseCommand, type ParsedCommand } from "./args.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "./format.ts";
import { printData, stdoutScreen } from "./output.ts";
import { checkOutputs } from "./outputs.ts";

/** Everything that the command line asks for. */
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

/** Runs the command. */
export async function run(args: readonly string[]): Promise<void> {
  const parsed = parse(args);
  if (parsed.help) return await printData([helpText(spec, Math.min(100, stdoutScreen().width))]);
  const request = readRequest(parsed);
  await checkOutputs(spec, parsed);
  // By a computed address, so that help and usage errors do not wait for what only a run needs.
  const { pull } = await import(new URL("./pull_run.ts", import.meta.url).href) as typeof import("./pull_run.ts");
  await pull(request);
}

/**
 * What a command line asks for.
 *
 * @throws {UsageError} if it cannot be understood
 */
export function parseRequest(args: readonly string[]): PullRequest {
  return readRequest(parse(args));
}

/** Any number of names. */
function parse(args: readonly string[]): ParsedCommand<typeof spec> {
  const more = args.slice(1).map(() => ({ ...NAME, required: false }));
  return parseCommand({ ...spec, positionals: [NAME, ...more] }, args);
}

function readRequest({ positionals, values }: ParsedCommand<typeof spec>): PullRequest {
  return {
    names: positionals,
    revision: values.revision,
    include: values.include,
    quiet: values.quiet,
    destination: readDestination(values, stdoutScreen().isTerminal),
  };
}
