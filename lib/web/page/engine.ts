/**
 * Who answers the page: a server over HTTP, or this module in a Worker of the page. Both take the bodies of the JSON API
 * and tell its events, so that a page does not know which one it has.
 *
 * @module
 */
import type { Choice, ListQuery } from "../catalog.ts";
import type { JobEvent } from "../jobs.ts";

/** What the page begins with, and what costs no download. */
export interface EngineStatus {
  /** Name and version. */
  readonly program: string;
  readonly model: string;
  readonly saes: readonly string[];
  /** Models that come with the program. */
  readonly bundled: readonly string[];
  /** Models and SAEs that are here. */
  readonly local: readonly string[];
  /** Whether public ones may be chosen. */
  readonly hub: boolean;
}

/** Models to choose from. */
export interface ModelList {
  readonly models: readonly Choice[];
}

/** SAEs to choose from. */
export interface SaeList {
  readonly saes: readonly Choice[];
}

/** A request's body, as the JSON API takes it. */
export type EngineBody = Readonly<Record<string, unknown>>;

/** What is heard while a job lasts: the job's own events, its place among others, and that it was put off. */
export type EngineEvent =
  | JobEvent
  | { readonly type: "waiting"; readonly ahead: number }
  | { readonly type: "busy" };

/** How a job is followed. */
export interface JobOptions {
  /** Aborted: nobody waits for it any more; the promise is rejected with its reason. */
  readonly signal: AbortSignal;
  readonly onEvent: (event: EngineEvent) => void;
}

/** The last event of a job: its answer. */
export type Answer<Type extends JobEvent["type"]> = Extract<JobEvent, { readonly type: Type }>;

/**
 * Answers the page's questions. What cannot be answered is an Error whose message is one line for the user.
 */
export interface Engine {
  status(): Promise<EngineStatus>;
  /** Models whose name has all words of `search`, those that are here first. */
  models(query: Partial<ListQuery>): Promise<ModelList>;
  /** The same of SAEs, of `model` alone if it is given. */
  saes(query: Partial<ListQuery>): Promise<SaeList>;
  /** `POST /api/predict`. */
  predict(body: EngineBody, options: JobOptions): Promise<Answer<"prediction">>;
  /** `POST /api/attribute`; rows where the body names a `format`, else a report, which is told without its cards first. */
  attribute(body: EngineBody, options: JobOptions): Promise<Answer<"report"> | Answer<"rows">>;
}
