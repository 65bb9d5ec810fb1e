/**
 * The files beside the table: the summary as JSON, tensors, and the Python script.
 *
 * @module
 */
import type { CheckSummary } from "../attribution/check.ts";
import type { Attribution } from "../attribution/result.ts";
import { writeFileAtomic } from "../table/write_file.ts";
import type { AttributeRequest } from "./attribute.ts";
import { trackedHooks } from "./tracked.ts";

/** Writes those of the files that are asked for. */
export async function writeExports(
  { summary, saveTensors, emitPython: script }: Pick<AttributeRequest, "summary" | "saveTensors" | "emitPython">,
  result: Attribution,
  check: CheckSummary | undefined,
): Promise<void> {
  if (script !== undefined) {
    const { emitPython } = await import("../attribution/emit_python.ts");
    await writeFileAtomic(script, [emitPython(result)]);
  }
  if (saveTensors !== undefined) {
    const { attributionTensors } = await import("../attribution/save_tensors.ts");
    await writeFileAtomic(saveTensors, attributionTensors(result));
  }
  if (summary !== undefined) {
    await writeFileAtomic(summary, [JSON.stringify(summaryJson(result, check), null, 2) + "\n"]);
  }
}

/** The summary and what only the command line adds to it. */
function summaryJson(result: Attribution, check: CheckSummary | undefined): unknown {
  const tracked = trackedHooks(result);
  return {
    ...result.summary(),
    excluded_positions: excludedPositions(result),
    ...(tracked.length === 0 ? {} : { tracked }),
    ...(check === undefined ? {} : { check }),
  };
}

/** The positions at which the SAEs were left out; the same for all. */
export function excludedPositions({ parts: { saes } }: Attribution): number[] {
  const [first] = saes.values();
  return first === undefined ? [] : [...first.run.excluded].sort((a, b) => a - b);
}
