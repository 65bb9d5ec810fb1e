/**
 * One scheduled run: the prompts of a configuration attributed now, and compared with the run before.
 *
 * @module
 */
import { longTable } from "../attribution/result/long_table.ts";
import { attributeShard } from "../batch/shards/attribute_shard.ts";
import { explainedBy } from "../batch/output/explained.ts";
import { identify } from "../batch/shards/manifest.ts";
import { checkSettings } from "../batch/check_settings.ts";
import { shownSettings } from "../batch/settings.ts";
import { open } from "../request/open.ts";
import type { Cell } from "../table/table.ts";
import type { CronConfig } from "./config.ts";
import { driftFrom, type ScheduledPrompt } from "./drift.ts";
import type { Results, ScheduledRun } from "./results.ts";

/**
 * Attributes the prompts, in one thread, compares with the latest of the results, and adds the run to them.
 *
 * @throws {Error} if the model or an SAE cannot be opened; what is wrong with a prompt is in the run's `errors`
 *
 * @example
 * ```ts
 * import { readConfig } from "./config.ts";
 * import { directoryResults } from "./results.ts";
 * import { runScheduled } from "./scheduled_run.ts";
 *
 * const prompts = [{ prompt: " The capital of France is", pos_token: " Paris", neg_token: " Rome" }];
 * const config = readConfig({ schedule: "0 6 * * *", prompts, top: 5 });
 * const results = directoryResults(await Deno.makeTempDir());
 * await runScheduled(config, results);
 * const { drift } = await runScheduled(config, results);
 * console.assert(drift?.attribution.max_abs_change === 0);
 * ```
 */
export async function runScheduled(
  { prompts: records, settings }: CronConfig,
  results: Results,
  now: () => Date = () => new Date(),
): Promise<ScheduledRun> {
  const started = now();
  await using opened = await open({ ...settings, manyPrompts: true });
  const { model, saes } = opened;
  checkSettings(saes, settings);
  const { columns } = settings.rows;
  const prompts: ScheduledPrompt[] = [];
  const errors: { prompt_id: string; error: string }[] = [];
  const rows: (readonly Cell[])[] = [];
  for await (const outcome of attributeShard(model, saes, records, settings)) {
    const prompt_id = outcome.record.id;
    if ("error" in outcome) {
      errors.push({ prompt_id, error: outcome.error });
      continue;
    }
    const { record, result } = outcome;
    prompts.push({ prompt_id, ...await explainedBy(record, result), metric: result.metric });
    const table = await longTable(result, settings.rows);
    for (const row of table.rows) rows.push([prompt_id, ...row]);
  }
  const run: ScheduledRun = {
    schema_version: 1,
    started: started.toISOString(),
    settings: shownSettings(settings),
    seconds: (now().getTime() - started.getTime()) / 1000,
    ...await identify(model, saes, settings),
    prompts,
    errors,
    columns: ["prompt_id", ...columns],
    rows,
    drift: null,
  };
  const before = await results.latest();
  const compared = before === undefined ? run : { ...run, drift: driftFrom(before, run) };
  await results.add(compared);
  return compared;
}
