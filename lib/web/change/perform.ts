/**
 * Jobs that change features and run the rest of the model again, with what is opened.
 *
 * @module
 */
import { steer, steeredPredictions } from "../../attribution/change/steer.ts";
import { chosenMetric } from "../../attribution/metric/metrics.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import { runOptionsOf } from "../../attribution/run/run_options.ts";
import { measureSet } from "../../attribution/sets/measure_set.ts";
import { selectFeatures } from "../../attribution/sets/select.ts";
import type { Model } from "../../model/model.ts";
import { quote } from "../../quote.ts";
import { finite } from "../../report/data.ts";
import { attributeRequest } from "../../request/attribute.ts";
import { inChat } from "../../request/chat.ts";
import type { Sae } from "../../sae/sae.ts";
import type { JobEvent, SelectJob, SteerJob } from "../jobs.ts";

/** What a job works with. */
interface Opened {
  readonly model: Model;
  readonly saes: readonly Sae[];
}

/** The metric and the next tokens before and after. */
export async function steered({ model, saes }: Opened, job: SteerJob): Promise<JobEvent> {
  const { prompt, chat, interventions, position, top, downstreamError } = job;
  const result = await steer(model, await inChat(model, prompt, chat), interventions, {
    ...runOptionsOf(job),
    saes,
    position,
    downstreamError,
    metric: chosenMetric(job.metric),
  });
  const { name, before, after } = result.metric!;
  return {
    type: "steered",
    steered: {
      position: result.position,
      metric: { name, before: finite(before), after: finite(after) },
      changes: result.changes,
      predictions: await steeredPredictions(model, result, top),
    },
  };
}

/** A set that is found, or what one that is given comes to. */
export async function selected(
  { model, saes }: Opened,
  job: SelectJob,
  tell: (event: JobEvent) => void,
): Promise<JobEvent> {
  const { prompt, set, options } = job;
  const result = await attributeRequest({ model, saes, prompt }, job, { diagnose: false });
  const hook = hookOf(result, job.hook);
  if (set === undefined) {
    const onProgress = (runs: number): void => tell({ type: "searching", runs });
    return { type: "set", set: await selectFeatures(result, hook, { ...options, onProgress }) };
  }
  const { by = "feature-position", ablation = "zero", downstreamError } = options;
  const measured = await measureSet(result, hook, set, { by, ablation, downstreamError });
  return { type: "set", set: { hook, by, ablation, ...measured } };
}

function hookOf({ hooks }: Attribution, hook: string | undefined): string {
  if (hook === undefined && hooks.length === 1) return hooks[0];
  if (hook !== undefined && hooks.includes(hook)) return hook;
  const what = hook === undefined ? "There are several SAEs" : `No SAE writes at ${quote(hook)}`;
  throw new RangeError(`${what}: give "hook", one of ${hooks.join(", ")}`);
}
