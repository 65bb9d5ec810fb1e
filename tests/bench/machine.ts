/** On what the bench ran. */
import { VERSION } from "../../lib/version.ts";

/** The machine and its programs; what the system does not say is absent. */
export interface Machine {
  readonly cpu?: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly os: string;
  /** Processes that wanted the processor in the last minute, when the bench began. */
  readonly load: number;
  readonly versions: Readonly<Record<string, string | null>>;
}

/** The machine as it is now. */
export async function describeMachine(): Promise<Machine> {
  const cpu = /model name\s*:\s*(.+)/.exec(await textOf("/proc/cpuinfo"))?.[1];
  const distribution = /PRETTY_NAME="(.+)"/.exec(await textOf("/etc/os-release"))?.[1];
  return {
    cpu,
    cores: navigator.hardwareConcurrency,
    memoryBytes: Deno.systemMemoryInfo().total,
    os: [distribution, Deno.build.os, Deno.osRelease(), Deno.build.arch].filter(Boolean).join(", "),
    load: Deno.loadavg()[0],
    versions: { "sae-attribution": VERSION, commit: await commit(), deno: Deno.version.deno },
  };
}

async function textOf(path: string): Promise<string> {
  return await Deno.readTextFile(path).catch(() => "");
}

/** The commit that was measured, with a + if files differ from it. */
async function commit(): Promise<string | null> {
  const git = async (...args: string[]): Promise<string> => {
    const cwd = new URL(".", import.meta.url);
    const { success, stdout } = await new Deno.Command("git", { args, cwd, stderr: "null" }).output();
    if (!success) throw new Error("not a checkout");
    return new TextDecoder().decode(stdout).trim();
  };
  try {
    const isChanged = await git("status", "--porcelain", "--untracked-files=no") !== "";
    return await git("rev-parse", "--short", "HEAD") + (isChanged ? "+" : "");
  } catch {
    return null; // no git, or no checkout
  }
}
