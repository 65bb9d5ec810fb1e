/**
 * How far a run is from the one before.
 *
 * @module
 */
import type { Explained } from "../batch/output/explained.ts";
import type { BatchSettings } from "../batch/settings.ts";
import { firstDifference, type Identity } from "../batch/shards/manifest.ts";
import type { Cell } from "../table/table.ts";

/** What changed. The same files give the same numbers on the same kind of machine: then all changes are 0. */
export interface Drift {
  /** When the run before began. */
  readonly since: string;
  /** The first thing in which model, SAEs, their form, the program or the settings differ; null: nothing. */
  readonly files: string | null;
  /** Over the prompts that both runs asked the same. */
  readonly metric: { readonly max_abs_change: number; readonly prompt_id: string | null };
  /** Over their rows. */
  readonly attribution: {
    /** The largest. */
    readonly max_abs_change: number;
    /** The largest, in the largest |attribution| of the run before; null where that is 0. */
    readonly relative: number | null;
    /** Cosine of the angle between the two; null where one is 0. */
    readonly cosine: number | null;
    /** Rows of both. */
    readonly rows: number;
    /** Rows that were not among those kept before. */
    readonly appeared: number;
    /** Rows that are not among those kept any more. */
    readonly disappeared: number;
  };
  /** Ids of prompts in one of the runs only, with an error in one only, or with another text, metric or answer. */
  readonly prompts_changed: readonly string[];
}

/** A prompt that was attributed. */
export interface ScheduledPrompt extends Explained {
  readonly prompt_id: string;
  readonly metric: number;
}

/** What is compared of a run. */
export interface ComparedRun extends Identity {
  /** When it began, in UTC. */
  readonly started: string;
  /** What was asked for, without secrets of addresses. */
  readonly settings: BatchSettings;
  /** Every prompt that was attributed: what was explained, and the metric. */
  readonly prompts: readonly ScheduledPrompt[];
  /** Names of the cells of `rows`. */
  readonly columns: readonly string[];
  /** Prompt by prompt, largest attribution first. */
  readonly rows: readonly (readonly Cell[])[];
}

/** Compares a run with the one before. */
export function driftFrom(before: ComparedRun, now: ComparedRun): Drift {
  const [was, is] = [before, now].map(({ prompts }) => new Map(prompts.map((p) => [p.prompt_id, p])));
  const same = new Set([...was.keys()].filter((id) => is.has(id) && askedOf(was.get(id)!) === askedOf(is.get(id)!)));
  const changed = [...new Set([...was.keys(), ...is.keys()])].filter((id) => !same.has(id));
  let metric: Drift["metric"] = { max_abs_change: 0, prompt_id: null };
  for (const prompt_id of same) {
    const change = Math.abs(is.get(prompt_id)!.metric - was.get(prompt_id)!.metric);
    if (change > metric.max_abs_change) metric = { max_abs_change: change, prompt_id };
  }
  return {
    since: before.started,
    files: firstDifference(identityOf(before), identityOf(now)) ?? null,
    metric,
    attribution: compareRows(attributions(before, same), attributions(now, same)),
    prompts_changed: changed,
  };
}

function identityOf({ model, saes, processing, prepend_bos, device, versions, settings }: ComparedRun): unknown {
  return { model, saes, processing, prepend_bos, device, versions, settings };
}

/** Numbers are compared where this is the same: the id alone may stand for another prompt by now. */
function askedOf({ token_ids, formula }: ScheduledPrompt): string {
  return JSON.stringify([token_ids, formula]);
}

/** Of these prompts, by prompt, hook, kind, position and feature. */
function attributions(
  { columns, rows }: Pick<ComparedRun, "columns" | "rows">,
  prompts: ReadonlySet<string>,
): Map<string, number> {
  const at = (name: string): number => columns.indexOf(name);
  const keys = ["prompt_id", "hook", "kind", "position", "feature"].filter((name) => columns.includes(name)).map(at);
  const value = at("attribution");
  const compared = rows.filter((row: readonly Cell[]) => prompts.has(String(row[keys[0]])));
  return new Map(compared.map((row) => [JSON.stringify(keys.map((i) => row[i])), Number(row[value])]));
}

function compareRows(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): Drift["attribution"] {
  let [most, largest, both, dot, squaresBefore, squaresNow] = [0, 0, 0, 0, 0, 0];
  for (const [key, x] of before) {
    largest = Math.max(largest, Math.abs(x));
    const y = now.get(key);
    if (y === undefined) continue;
    both++;
    most = Math.max(most, Math.abs(y - x));
    dot += x * y;
    squaresBefore += x * x;
    squaresNow += y * y;
  }
  const norms = Math.sqrt(squaresBefore * squaresNow);
  return {
    max_abs_change: most,
    relative: largest === 0 ? null : most / largest,
    cosine: norms === 0 ? null : dot / norms,
    rows: both,
    appeared: now.size - both,
    disappeared: before.size - both,
  };
}
