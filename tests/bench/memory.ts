/** `--memory N`: whether the resident set grows over N attributions with model and SAE open. */
import { lastJson, type PromptSet, warm } from "./contestants.ts";
import type { BenchOptions } from "./options.ts";
import { reasonOf } from "./process.ts";

/** MiB, on one device. */
export interface MemoryResult {
  readonly device: string;
  readonly attributions: number;
  /** After so many it is measured first. */
  readonly settled?: number;
  readonly afterSettled?: number;
  readonly afterLast?: number;
  readonly peakMemory?: number;
  /** Why there are no figures. */
  readonly failed?: string;
}

interface Printed {
  readonly settled: number;
  readonly after_settled_mib: number;
  readonly after_last_mib: number;
}

/** One process per device, over the prompts in turn. */
export async function measureMemory(options: BenchOptions, { file }: PromptSet): Promise<MemoryResult[]> {
  const attributions = options.memory!;
  const results: MemoryResult[] = [];
  for (const device of options.devices) {
    try {
      const args = ["--prompts", file, "--memory", `${attributions}`];
      const { stdout, peakMemory } = await warm(options, device, args);
      const printed = lastJson(stdout) as Printed;
      const { settled, after_settled_mib: afterSettled, after_last_mib: afterLast } = printed;
      results.push({ device, attributions, settled, afterSettled, afterLast, peakMemory });
    } catch (error) {
      results.push({ device, attributions, failed: reasonOf(error) });
    }
  }
  return results;
}

/** As a table. */
export function showMemory(results: readonly MemoryResult[]): string {
  return results.map(({ device, attributions, settled, afterSettled, afterLast, peakMemory, failed }) =>
    failed !== undefined
      ? `${device.padEnd(8)} cannot: ${failed}`
      : `${device.padEnd(8)} resident ${afterSettled!.toFixed(0)} MiB after attribution ${settled}, ` +
        `${afterLast!.toFixed(0)} MiB after ${attributions} (peak ${peakMemory} MiB)`
  ).join("\n");
}
