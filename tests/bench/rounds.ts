/** Everyone in turn, round by round, so that what else the machine does falls on all alike. */
import type { Contestant, Kind, PromptSet } from "./contestants.ts";
import { median, reasonOf } from "./process.ts";

/** What one contestant did with one set of prompts. */
export interface Result {
  readonly set: string;
  readonly kind: Kind;
  readonly contestant: string;
  /** Every single time, in the order in which they were taken. */
  readonly seconds: readonly number[];
  readonly medianSeconds: number;
  /** MiB, of every process. */
  readonly peakMemory: readonly number[];
  readonly medianPeakMemory: number;
  /** Times as long as the first contestant of the kind. */
  readonly ratio: number;
  /** Times as long as the machine's limits allow. */
  readonly timesBound?: number;
  /** Why it has no times. */
  readonly failed?: string;
}

interface Standing {
  readonly contestant: Contestant;
  readonly seconds: number[];
  readonly peakMemory: number[];
  failed?: string;
}

/** Runs so many rounds; who fails once is left out from then on. */
export async function inTurn(
  contestants: readonly Contestant[],
  set: PromptSet,
  rounds: number,
): Promise<Result[]> {
  const standings = contestants.map((contestant): Standing => ({ contestant, seconds: [], peakMemory: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const standing of standings) await takeTurn(standing, set);
  }
  const first = new Map<Kind, number>();
  return standings.map(({ contestant: { name, kind }, seconds, peakMemory, failed }) => {
    const medianSeconds = failed === undefined ? median(seconds) : NaN;
    if (!first.has(kind) && failed === undefined) first.set(kind, medianSeconds);
    return {
      ...{ set: set.name, kind, contestant: name, seconds, medianSeconds, peakMemory },
      ...{ medianPeakMemory: median(peakMemory), ratio: medianSeconds / first.get(kind)!, failed },
    };
  });
}

async function takeTurn(standing: Standing, set: PromptSet): Promise<void> {
  if (standing.failed !== undefined) return;
  try {
    const { seconds, peakMemory } = await standing.contestant.run(set);
    standing.seconds.push(...seconds);
    standing.peakMemory.push(peakMemory);
  } catch (error) {
    standing.failed = reasonOf(error);
  }
}
