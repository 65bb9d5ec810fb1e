/**
 * The command line: finds the command and runs it. A command's module is imported only when that command runs.
 *
 * @module
 */
import { stripVTControlCharacters } from "node:util";
import { helpText } from "./lib/cli/args/help.ts";
import { quote, UsageError } from "./lib/cli/args/values.ts";
import { printData, printNote } from "./lib/cli/screen/output.ts";
import { plainMessage } from "./lib/platform/plain_message.ts";
import { messageLine, withoutSecrets } from "./lib/quote.ts";
import { VERSION } from "./lib/version.ts";
import { meantName } from "./lib/nearest_names.ts";

/** What `lib/cli/commands/<folder>/<command>.ts` exports. */
interface CommandModule {
  run(args: readonly string[]): Promise<void>;
}

/** The commands: folder in `lib/cli/commands` → title → command → what it does. */
const GROUPS: Readonly<Record<string, readonly [title: string, commands: Readonly<Record<string, string>>]>> = {
  explain: ["Predict and explain", {
    predict: "show what the model predicts next",
    generate: "write what the model says, token by token",
    attribute: "attribute a prediction to the features of sparse autoencoders",
    report: "the same as one HTML file, to look at and to pass on",
    serve: "serve a page on this machine, to see it in a browser",
  }],
  change: ["Change features", {
    ablate: "remove features and measure what that does to a prediction",
    steer: "set features and see what the model says then",
  }],
  trust: ["How far to trust it", {
    select: "find the smallest set of features that carries a prediction",
    interactions: "remove features two at a time: what they do together that they do not do alone",
    evaluate: "faithfulness curves: keep or remove only the strongest features",
    evals: "evaluate sparse autoencoders on prompts, in SAELens's figures",
    verify: "compute the notebook's published figures again and compare",
  }],
  circuits: ["Circuits", {
    graph: "make an attribution graph of transcoder features, as circuit-tracer does",
    edges: "trace what makes SAE features: direct effects of features further down",
  }],
  many: ["Many prompts", {
    batch: "attribute the predictions for many prompts, from a file to files",
    worker: "work on the prompts that batch has put into a queue",
  }],
  names: ["Models and SAEs", {
    models: "list the models that are known by name",
    saes: "list the public SAEs, and which of them can be loaded",
    pull: "download models and SAEs from the Hugging Face hub",
    cache: "list, measure and empty what has been downloaded",
  }],
};

/** The commands and what they do. */
export const COMMANDS: Readonly<Record<string, string>> = Object.assign({}, ...Object.values(GROUPS).map(([, c]) => c));

const HELP = helpText({
  name: "deno run -A cli.ts",
  summary: `sae-attribution ${VERSION}: why does a language model predict this next token?`,
  usage: "COMMAND [options]",
  positionals: Object.values(GROUPS).flatMap(([title, commands]) =>
    Object.entries(commands).map(([name, help]) => ({ name, help, required: false, title }))
  ),
  options: { version: { kind: "boolean", help: "show the version" } },
  examples: [
    'deno run -A cli.ts predict " Tiger Woods plays the sport of"',
    'deno run -A cli.ts attribute " Tiger Woods plays the sport of" --pos-token " golf" --neg-token " tennis"',
    "deno run -A cli.ts attribute --help",
  ],
});

async function run([name, ...args]: readonly string[]): Promise<void> {
  if (name === "--help" || name === "-h") return await printData([HELP]);
  if (name === "--version") return await printData([`sae-attribution ${VERSION}\n`]);
  if (name === "version") return await printData([`sae-attribution ${VERSION}\n`]);
  if (name === "help") return await run(args.length === 0 ? ["--help"] : [args[0], "--help"]);
  if (name === undefined) {
    throw new UsageError("no command: write predict or attribute, or --help");
  }
  if (!Object.hasOwn(COMMANDS, name)) {
    if (name.startsWith("-")) throw new UsageError(`${quote(name)} comes before a command: write the command first`);
    const meant = meantName(name, Object.keys(COMMANDS));
    const nearest = meant === undefined ? "" : `the nearest is ${meant}, `;
    throw new UsageError(`unknown command ${quote(name)}: ${nearest}--help lists all`);
  }
  await (await import(commandModule(name)) as CommandModule).run(args);
}

/** The address of a command's module. */
export function commandModule(name: string): string {
  const [folder] = Object.entries(GROUPS).find(([, [, commands]]) => Object.hasOwn(commands, name))!;
  return new URL(`./lib/cli/commands/${folder}/${name}.ts`, import.meta.url).href;
}

/** Runs a command line and returns the exit code: 0, 1 for a failure, 2 for a command line that is not understood, 130 after Ctrl-C. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await run(args);
    return 0;
  } catch (error) {
    if (readerHasGone(error)) return 0;
    await printNote(describe(error)).catch(() => {}); // standard error may be closed too
    if (error instanceof Error && "exitCode" in error) return Number(error.exitCode);
    return error instanceof UsageError ? 2 : 1;
  }
}

/** The reader of our output has had enough, as in `| head`. */
function readerHasGone(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe ||
    (error instanceof Error && "code" in error && error.code === "EPIPE");
}

function describe(error: unknown): string {
  const message = error instanceof Error ? plainMessage(error) || error.name : String(error);
  const line = `error: ${messageLine(stripVTControlCharacters(message))}\n`;
  return isDebugging() && error instanceof Error ? `${line}${withoutSecrets(Deno.inspect(error))}\n` : line;
}

function isDebugging(): boolean {
  try {
    return Deno.env.get("SAE_ATTRIBUTION_DEBUG") === "1";
  } catch {
    return false; // --deny-env
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
