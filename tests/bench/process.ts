/** Running a command as a whole process: seconds, and the largest resident set. */
export interface Measured {
  readonly seconds: number;
  /** MiB; 0 where the system does not say. */
  readonly peakMemory: number;
  readonly stdout: string;
}

const POLL_MS = 10;

/** @throws {Error} if the command fails; the message ends with what it wrote to stderr */
export async function measure(command: string, args: readonly string[]): Promise<Measured> {
  const started = performance.now();
  const child = new Deno.Command(command, { args: [...args], stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
  let peak = 0;
  const poll = setInterval(() => peak = Math.max(peak, residentPeak(child.pid)), POLL_MS);
  const { success, stdout, stderr } = await child.output();
  const seconds = (performance.now() - started) / 1000;
  clearInterval(poll);
  if (!success) {
    throw new Error(`${command} ${args.join(" ")} failed: ${new TextDecoder().decode(stderr).slice(-2000)}`);
  }
  return { seconds, peakMemory: Math.round(peak / 1024), stdout: new TextDecoder().decode(stdout) };
}

/** The kernel's own record of the largest resident set, in KiB. */
function residentPeak(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? 0);
  } catch {
    return 0; // it has just ended, or this is no Linux
  }
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
