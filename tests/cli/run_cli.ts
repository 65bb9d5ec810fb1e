import { fromFileUrl } from "../../lib/weights/files/places.ts";

/** What the tests of the command line share. */

const ROOT = fromFileUrl(new URL("../../", import.meta.url));

/** The small model with random weights, and SAEs for it. */
export const MODEL = `${ROOT}tests/data/models/gpt2`;
export const SAES = `${ROOT}tests/data/saes`;
export const SAE = `${SAES}/g-std-pre2`;
export const HOOK = "blocks.2.hook_resid_pre";
export const PROMPT = " Tiger Woods plays the sport of";
/** `attribute` or `predict` on the small model, in one thread. */
export const ON_MODEL = ["--model", MODEL, "--sae", SAE, "--threads", "1"];

/** How a subprocess ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options of {@linkcode runCli}. */
export interface CliOptions {
  readonly stdin?: string | Uint8Array;
  readonly permissions?: readonly string[];
  readonly env?: Record<string, string>;
}

/** A subprocess that runs cli.ts. */
export function cliCommand(
  args: readonly string[],
  { stdin, permissions = ["-A"], env }: CliOptions = {},
): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", ...permissions, `${ROOT}cli.ts`, ...args],
    stdin: stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    env,
  });
}

/** Runs cli.ts to its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<Outcome> {
  const child = cliCommand(args, options).spawn();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(typeof options.stdin === "string" ? new TextEncoder().encode(options.stdin) : options.stdin);
    await writer.close();
  }
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** A directory that is gone after the test. */
export async function inDirectory(test: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}
