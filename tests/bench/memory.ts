/** `--memory N`: whether the resident set grows over N attributions with model and SAE open. */
import { lastJson, type PromptSet, warm } from "./contestants.ts";
import type { BenchOptions } from "./options.ts";
import { reasonOf } from "./process.ts";

/** MiB, on one device. */
export interface MemoryResult {
  readonly device: string;
  readonly attributions: number;
  /** The resident set after so many attributions, first after the 50th, by when buffers have their sizes. */
  readonly resident?: readonly (readonly [attributions: number, resident: number])[];
  readonly peakMemory?: number;
  /** Why there are no figures. */
  readonly failed?: string;
}

/** One process per device, over the prompts in turn. */
export async function measureMemory(options: BenchOptions, { file }: PromptSet): Promise<MemoryResult[]> {
  const attributions = options.memory!;
  const results: MemoryResult[] = [];
  for (const device of options.devices) {
    try {
      const args = ["--prompts", file, "--memory", `${attributions}`];
      const { stdout, peakMemory } = await warm(options, device, args);
      const { resident_mib: resident } = lastJson(stdout) as { resident_mib: [number, number][] };
      results.push({ device, attributions, resident, peakMemory });
    } catch (error) {
      results.push({ device, attributions, failed: reasonOf(error) });
    }
  }
  return results;
}

/** As a table. */
export function showMemory(results: readonly MemoryResult[]): string {
  return ["Resident set, MiB:", ...results.map(showDevice)].join("\n");
}

function showDevice({ device, resident, peakMemory, failed }: MemoryResult): string {
  if (failed !== undefined) return `${device.padEnd(8)} cannot: ${failed}`;
  const [[first, settled], [last, end]] = [resident!.at(0)!, resident!.at(-1)!];
  const between = resident!.slice(1, -1).map(([, mebibytes]) => mebibytes).join(", ");
  return `${device.padEnd(8)} ${settled} after attribution ${first}, ${between && `then ${between}, `}` +
    `${end} after ${last}; peak ${peakMemory}`;
}
