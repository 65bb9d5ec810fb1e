/** How fast the machine can be at most, measured, and what that means for a job. */
import { lastJson, python } from "./contestants.ts";
import type { BenchOptions } from "./options.ts";
import { measure, reasonOf } from "./process.ts";
import type { Work } from "./work.ts";

const HERE = new URL(".", import.meta.url).pathname;

type Rates = Readonly<Record<string, number>>;

/** The best of everything that was tried; by what was tried, per second. */
export interface Limits {
  readonly bytesPerSecond: Rates;
  readonly operationsPerSecond: Rates;
  readonly versions: Readonly<Record<string, string | null>>;
}

/** No run can be faster: all reading behind all arithmetic, or all arithmetic behind all reading. */
export interface Bound extends Work {
  readonly readingSeconds: number;
  readonly arithmeticSeconds: number;
  readonly seconds: number;
}

/** Measures memory and arithmetic through PyTorch, and arithmetic on the devices where this program runs. */
export async function measureLimits(options: BenchOptions): Promise<Limits> {
  const { stdout } = await python(options, ["limits.py"]);
  const found = lastJson(stdout) as { bytes_per_second: Rates; operations_per_second: Rates; versions: Rates };
  let limits: Limits = {
    bytesPerSecond: found.bytes_per_second,
    operationsPerSecond: found.operations_per_second,
    versions: found.versions as unknown as Limits["versions"],
  };
  for (const device of options.devices) {
    const args = ["run", "-A", `${HERE}product_peak.ts`, device];
    try {
      const { operations_per_second, versions } = lastJson((await measure(Deno.execPath(), args)).stdout) as {
        operations_per_second: number;
        versions: Record<string, string>;
      };
      limits = {
        ...limits,
        operationsPerSecond: { ...limits.operationsPerSecond, [device]: operations_per_second },
        versions: { ...limits.versions, ...versions },
      };
    } catch (error) {
      console.error(`no product on ${device}: ${reasonOf(error)}`);
    }
  }
  return limits;
}

/** The faster of two measurements, before and after a run. */
export function fasterOf(a: Limits, b: Limits): Limits {
  const faster = (x: Rates, y: Rates): Rates =>
    Object.fromEntries(Object.keys(x).map((key) => [key, Math.max(x[key], y[key] ?? 0)]));
  return {
    bytesPerSecond: faster(a.bytesPerSecond, b.bytesPerSecond),
    operationsPerSecond: faster(a.operationsPerSecond, b.operationsPerSecond),
    versions: a.versions,
  };
}

/** The least time that the work can take. */
export function boundOf(work: Work, limits: Limits): Bound {
  const readingSeconds = work.bytes / Math.max(...Object.values(limits.bytesPerSecond));
  const arithmeticSeconds = work.operations / Math.max(...Object.values(limits.operationsPerSecond));
  return { ...work, readingSeconds, arithmeticSeconds, seconds: Math.max(readingSeconds, arithmeticSeconds) };
}
