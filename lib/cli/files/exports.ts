/**
 * The files beside the table: the summary as JSON, tensors, and the Python script.
 *
 * @module
 */
import type { CheckSummary } from "../../attribution/trust/check.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import type { VerifySummary } from "../../attribution/trust/verify.ts";
import type { AttributeRequest } from "../commands/attribute.ts";
import { trackedHooks } from "../screen/tracked.ts";

/** What a run was compared with. */
export interface Checks {
  readonly check: CheckSummary | undefined;
  readonly verify: VerifySummary | undefined;
}

/** Writes those of the files that are asked for. */
export async function writeExports(
  { summary, saveTensors, emitPython: script }: Pick<AttributeRequest, "summary" | "saveTensors" | "emitPython">,
  result: Attribution,
  checks: Checks,
): Promise<void> {
  if (script !== undefined) {
    const { emitPython } = await import("../../attribution/result/emit_python.ts");
    await writeFile(script, [emitPython(result)]);
  }
  if (saveTensors !== undefined) {
    const { attributionTensors } = await import("../../attribution/result/save_tensors.ts");
    await writeFile(saveTensors, attributionTensors(result));
  }
  if (summary !== undefined) {
    await writeFile(summary, [JSON.stringify(summaryJson(result, checks), null, 2) + "\n"]);
  }
}

async function writeFile(file: string, chunks: Iterable<string | Uint8Array>): Promise<void> {
  const { writeFileAtomic } = await import("../../table/write_file.ts");
  await writeFileAtomic(file, chunks);
}

/** The summary and what only the command line adds to it. */
function summaryJson(result: Attribution, { check, verify }: Checks): unknown {
  const tracked = trackedHooks(result);
  return {
    ...result.summary(),
    excluded_positions: excludedPositions(result),
    ...(tracked.length === 0 ? {} : { tracked }),
    ...(check === undefined ? {} : { check }),
    ...(verify === undefined ? {} : { verify }),
  };
}

/** The positions at which the SAEs were left out; the same for all. */
export function excludedPositions({ parts: { saes } }: Attribution): number[] {
  const [first] = saes.values();
  return first === undefined ? [] : [...first.run.excluded].sort((a, b) => a - b);
}
