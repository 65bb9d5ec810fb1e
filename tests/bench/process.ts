/** Running a command as a whole process: seconds, and the largest resident set. */
export interface Measured {
  readonly seconds: number;
  /** MiB; 0 where the system does not say. */
  readonly peakMemory: number;
  /** Bytes that it read, from files and otherwise; 0 where the system does not say. */
  readonly bytesRead: number;
  readonly stdout: string;
}

const POLL_MS = 10;

/** @throws {Error} if the command fails; the message ends with what it wrote to stderr */
export async function measure(command: string, args: readonly string[]): Promise<Measured> {
  const started = performance.now();
  const pipes = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(command, { args: [...args], ...pipes, env: { NO_COLOR: "1" } }).spawn();
  let [peak, bytesRead] = [0, 0];
  const poll = setInterval(() => {
    peak = Math.max(peak, residentPeak(child.pid));
    bytesRead = Math.max(bytesRead, readSoFar(child.pid));
  }, POLL_MS);
  const { success, stdout, stderr } = await child.output();
  const seconds = (performance.now() - started) / 1000;
  clearInterval(poll);
  if (!success) {
    throw new Error(`${command} ${args.join(" ")} failed:\n${new TextDecoder().decode(stderr).slice(-2000)}`);
  }
  return { seconds, peakMemory: Math.round(peak / 1024), bytesRead, stdout: new TextDecoder().decode(stdout) };
}

/** Why a program failed, in one line: the error that it ended with, else the last thing that it said. */
export function reasonOf(failure: unknown): string {
  const text = failure instanceof Error ? failure.message : String(failure);
  const lines = text.trim().split("\n");
  return (lines.findLast((line) => /^\w*error\b/i.test(line)) ?? lines.at(-1)!).slice(0, 200);
}

/** The kernel's own record of the largest resident set, in KiB. */
function residentPeak(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? 0);
  } catch {
    return 0; // it has just ended, or this is no Linux
  }
}

function readSoFar(pid: number): number {
  try {
    return Number(/rchar: (\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/io`))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** The rows of a CSV file of attributions by position and feature. */
function readRows(text: string): Map<string, number> {
  return new Map(
    text.trim().split("\n").slice(1).map((line) => [line.replace(/,[^,]*$/, ""), Number(line.split(",").at(-1))]),
  );
}

/** What attributions have in common with a reference's, in words. */
export function compareRows(got: string, want: string): string {
  const [computed, golden] = [readRows(got), readRows(want)];
  const missing = [...golden.keys()].filter((key) => !computed.has(key)).length;
  const largest = Math.max(...[...golden.values()].map(Math.abs));
  const differences = [...golden].map(([key, value]) => Math.abs(value - (computed.get(key) ?? Infinity)));
  return `${golden.size - missing} of ${golden.size} rows, ${computed.size - golden.size + missing} others, ` +
    `worst difference ${(Math.max(...differences) / largest).toExponential(1)} of the largest`;
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
