/**
 * What the page may open: what is bundled, what the user named on the command line, and public names. A path or URL that
 * comes with a request is not opened.
 *
 * @module
 */
import { DEFAULT_MODEL, findBundledModel, findBundledSae } from "../bundled.ts";
import { isPlace } from "../weights/place.ts";
import { ApiError } from "./api_error.ts";
import { parseSae, type RunDefaults } from "./job_requests.ts";
import type { Job } from "./jobs.ts";

/** What was named when the server was started. */
export interface Offered {
  /** The model that the page begins with, and that a request is about which names none; default: the bundled one. */
  readonly model: string;
  /** The SAEs that it begins with, `S[@HOOK]`. */
  readonly saes: readonly string[];
  /** Public models and SAEs may be chosen too, which are downloaded then. */
  readonly hub: boolean;
}

/** What is offered where nothing is named. */
export const DEFAULT_OFFER: Offered = { model: DEFAULT_MODEL, saes: [], hub: true };

/** What a request that says nothing is about: the command line's model and its SAEs, a bundled model's own, else none. */
export function defaultsOf({ model, saes }: Offered): RunDefaults {
  return {
    model,
    saes(name) {
      if (name === model && saes.length > 0) return saes.map(parseSae);
      const bundled = findBundledModel(name);
      return bundled === undefined ? [] : [{ source: bundled.default_sae }];
    },
  };
}

/**
 * Checks that a job opens nothing but what is offered.
 *
 * @throws {ApiError} 403 if it would
 */
export async function checkOffered(job: Job, offered: Offered): Promise<void> {
  if (job.model !== offered.model && findBundledModel(job.model) === undefined) {
    await checkPublic(job.model, offered, "--model");
  }
  const given = new Set(offered.saes.flatMap((text) => [text, parseSae(text).source]));
  for (const { source } of job.saes) {
    if (!given.has(source) && findBundledSae(source) === undefined) await checkPublic(source, offered, "--sae");
  }
}

async function checkPublic(name: string, { hub }: Offered, option: string): Promise<void> {
  const shown = JSON.stringify(name.slice(0, 100));
  if (!hub) {
    throw new ApiError(403, `${shown} is not offered: start the server with ${option}, or without --no-hub`);
  }
  if (await isPlace(name)) {
    throw new ApiError(403, `${shown} is a path or URL: name it with ${option} when you start the server`);
  }
}
