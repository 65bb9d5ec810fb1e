import { commandModule } from "../../cli.ts";
import type { Outcome } from "./run_cli.ts";

/** Runs one command's module in a process of its own, with an environment that owes nothing to this machine. */
export async function runCommand(
  command: "pull" | "cache" | "verify",
  args: readonly string[],
  env: Record<string, string>,
): Promise<Outcome> {
  const module = commandModule(command);
  const code = `import { run } from ${JSON.stringify(module)};
    try { await run(Deno.args); } catch (error) { console.error("error: " + error.message); Deno.exit(1); }`;
  const script = `data:application/typescript,${encodeURIComponent(code)}`;
  const keep = Object.fromEntries(["PATH", "HOME", "DENO_DIR"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  }));
  const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-prompt", "--no-check", "--quiet", script, ...args],
    clearEnv: true,
    env: { ...keep, ...env },
  }).output();
  return { code: exit, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}
