/**
 * What the page may open: what is bundled, what the user named on the command line, and public names. A path or URL that
 * comes with a request is not opened.
 *
 * @module
 */
import { DEFAULT_MODEL, findBundledModel, findBundledSae } from "../bundled.ts";
import { quote } from "../quote.ts";
import { defaultSaes, parseSae } from "../request/saes.ts";
import { looksLikePlace, shownName } from "../weights/files/places.ts";
import { ApiError } from "./api_error.ts";
import type { RunDefaults } from "./job_requests.ts";
import type { ModelJob } from "./jobs.ts";

/** What was named when the server was started. */
export interface Offered {
  /** The model that the page begins with, and that a request is about which names none; default: the bundled one. */
  readonly model: string;
  /** The SAEs that it begins with, `S[@HOOK]`. */
  readonly saes: readonly string[];
  /** Public models and SAEs may be chosen too, which are downloaded then. */
  readonly hub: boolean;
  /** Locations of files that the user of a page chose there. */
  readonly chosen?: ReadonlySet<string>;
}

/** What is offered where nothing is named. */
export const DEFAULT_OFFER: Offered = { model: DEFAULT_MODEL, saes: [], hub: true };

/** What is offered, under the names that are shown: requests and answers have no others. */
export function shownOffer({ model, saes, hub }: Offered): Offered {
  const shown = saes.map(parseSae).map(({ source, hook }) =>
    shownName(source) + (hook === undefined ? "" : `@${hook}`)
  );
  return { model: shownName(model), saes: shown, hub };
}

/**
 * What was named when the server was started, by the names that are shown.
 *
 * @throws {RangeError} if two are shown under one name
 */
export function namedPlaces({ model, saes }: Offered): Readonly<Record<string, string>> {
  const places = new Map<string, string>();
  for (const place of [model, ...saes.map((text) => parseSae(text).source)]) {
    const name = shownName(place);
    if ((places.get(name) ?? place) !== place) {
      throw new RangeError(`Two addresses that are offered differ only in what is not shown of ${name}: offer one`);
    }
    places.set(name, place);
  }
  return Object.fromEntries(places);
}

/** What a request that says nothing is about: the command line's model and its SAEs, a bundled model's own, else none. */
export function defaultsOf({ model, saes }: Offered): RunDefaults {
  return {
    model,
    saes(name) {
      return name === model && saes.length > 0 ? saes.map(parseSae) : defaultSaes(name);
    },
  };
}

/**
 * Checks that a job opens nothing but what is offered.
 *
 * @throws {ApiError} 403 if it would
 */
export function checkOffered(job: ModelJob, offered: Offered): void {
  const isChosen = (name: string): boolean => offered.chosen?.has(name) ?? false;
  if (!isChosen(job.model) && job.model !== offered.model && findBundledModel(job.model) === undefined) {
    checkPublic(job.model, offered, "--model");
  }
  const given = new Set(offered.saes.flatMap((text) => [text, parseSae(text).source]));
  for (const { source } of job.saes) {
    if (!isChosen(source) && !given.has(source) && findBundledSae(source) === undefined) {
      checkPublic(source, offered, "--sae");
    }
  }
}

function checkPublic(name: string, { hub, chosen }: Offered, option: string): void {
  const shown = quote(shownName(name));
  if (!hub) {
    throw new ApiError(403, `${shown} is not offered: start the server with ${option}, or without --no-hub`);
  }
  if (looksLikePlace(name)) {
    const instead = chosen === undefined
      ? `name it with ${option} when you start the server`
      : "choose its files on this page, anew each time that it is opened";
    throw new ApiError(403, `${shown} is a path or URL: ${instead}`);
  }
}
