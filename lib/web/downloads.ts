/**
 * What a job will download, before it is done, and downloading it.
 *
 * @module
 */
import type { Model } from "../model/model.ts";
import type { MetricRequest } from "../request/metric.ts";
import type { Sae } from "../sae/sae.ts";
import type { DownloadProgress } from "../weights/hub/progress.ts";
import type { Need } from "../weights/tensors/needs.ts";
import type { JobEvent, ModelJob } from "./jobs.ts";

/** Characters of a token, fewer than of an English one: a prompt is rather taken for longer. */
const CHARACTERS = 3;

/** What a job will read of its model's and its SAEs' files. */
export async function jobNeeds(model: Model, saes: readonly Sae[], job: ModelJob): Promise<Need[]> {
  const { prompt } = job;
  const tokens = 1 + (typeof prompt === "string" ? Math.ceil(prompt.length / CHARACTERS) : prompt.length);
  const needs = await model.needs({ tokens, allLogits: wantsAllLogits(job) });
  return [...needs, ...saes.flatMap((sae) => sae.needs(tokens))];
}

/** Predictions do, before and after a change too, cards do, and metrics that are no differences of given tokens. */
function wantsAllLogits(job: ModelJob): boolean {
  if (job.kind === "predict" || job.kind === "steer") return true;
  if (job.kind === "select") return !isDifference(job.metric);
  const { answer, format, cards, predictions, metric } = job;
  if (answer !== undefined) return true;
  return format === "report" && (cards > 0 || predictions > 0) || !isDifference(metric);
}

function isDifference({ kind, positive, negative, weights = [] }: MetricRequest): boolean {
  if (kind === "weighted") return weights.reduce((sum, weight) => sum + weight, 0) === 0;
  return kind === "logit-diff" && positive.length > 0 && negative.length > 0;
}

/** Downloads of one job, of all sources together. */
export class JobDownloads {
  readonly #total: number;
  readonly #began: ReadonlyMap<string, DownloadProgress>;
  readonly #latest: Map<string, DownloadProgress>;

  /**
   * @param total bytes that are expected; 0: what the sources say
   * @param latest what each source told last; it goes on being filled
   */
  constructor(total: number, latest: Map<string, DownloadProgress>) {
    this.#total = total;
    this.#began = new Map(latest);
    this.#latest = latest;
  }

  /** How far they are. */
  event(path: string): JobEvent {
    const sum = (of: (progress: DownloadProgress, before: DownloadProgress | undefined) => number): number =>
      [...this.#latest].reduce((total, [source, progress]) => total + of(progress, this.#began.get(source)), 0);
    const done = sum((progress, before) => progress.done - (before?.done ?? 0));
    const bytesPerSecond = sum(({ files, bytesPerSecond = 0 }) => files > 0 ? bytesPerSecond : 0);
    const total = Math.max(
      done,
      this.#total || sum((progress, before) => (progress.total ?? NaN) - (before?.total ?? 0)),
    );
    const isKnown = bytesPerSecond > 0;
    return {
      type: "downloading",
      path,
      done,
      total: Number.isNaN(total) ? null : total,
      bytes_per_second: isKnown ? bytesPerSecond : null,
      seconds_left: isKnown && !Number.isNaN(total) ? (total - done) / bytesPerSecond : null,
    };
  }
}
