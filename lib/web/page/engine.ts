/**
 * Who answers the page: a server over HTTP, or this module in a Worker of the page. Both take the bodies of the JSON API
 * and tell its events, so that a page does not know which one it has.
 *
 * @module
 */
import type { Choice, FeaturedModel, ListQuery } from "../catalog.ts";
import type { JobEvent } from "../jobs.ts";
import type { Device } from "../../runtime/runtime.ts";

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
  /** Models that are offered first, small ones before large ones. */
  readonly featured?: readonly FeaturedModel[];
}

/**
 * What not every engine can. What is absent it cannot, and the page does not show; nothing is guessed.
 */
export interface Capabilities {
  /** Where the user may have the model run, the first by default; empty: the engine decides, and is not asked. */
  readonly devices: readonly Device[];
  /** What answering would download, told before it is. Absent: the page need not ask before it starts. */
  readonly price?: (job: "predict" | "attribute", body: EngineBody) => Promise<Price>;
  /** Opens the user's own files where they are; nothing of them is sent anywhere. */
  readonly localFiles?: (files: readonly LocalFile[]) => Promise<LocalChoices>;
  /** What is kept of downloads. */
  readonly storage?: Storage;
}

/** Bytes of files. */
export interface Price {
  /** Still to be downloaded. */
  readonly download: number;
  /** Here already. */
  readonly stored: number;
}

/** One of the user's files, with its place in the directory that was dropped: `my-model/config.json`. */
export interface LocalFile {
  readonly path: string;
  readonly file: Blob;
}

/** What the user's files are, by the names that requests then have for them. */
export interface LocalChoices {
  readonly models: readonly Choice[];
  readonly saes: readonly Choice[];
  /** What was not used, and why; one line each. */
  readonly ignored: readonly string[];
}

/** What is kept of downloads on this machine. */
export interface Storage {
  /** Bytes. */
  size(): Promise<number>;
  empty(): Promise<void>;
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
  /** One of the engine's devices; default: its first. */
  readonly device?: Device;
}

/** The last event of a job: its answer. */
export type Answer<Type extends JobEvent["type"]> = Extract<JobEvent, { readonly type: Type }>;

/** A report, or rows in the format that the body names; Parquet is a file of bytes. */
export type AttributeAnswer = Answer<"report"> | Answer<"rows"> | Answer<"file">;

/**
 * Answers the page's questions. What cannot be answered is an Error whose message is one line for the user.
 */
export interface Engine {
  readonly capabilities: Capabilities;
  status(): Promise<EngineStatus>;
  /** Models whose name has all words of `search`, those that are here first. */
  models(query: Partial<ListQuery>): Promise<ModelList>;
  /** The same of SAEs, of `model` alone if it is given. */
  saes(query: Partial<ListQuery>): Promise<SaeList>;
  /** `POST /api/predict`. */
  predict(body: EngineBody, options: JobOptions): Promise<Answer<"prediction">>;
  /** `POST /api/attribute`; rows where the body names a `format`, else a report, which is told without its cards first. */
  attribute(body: EngineBody, options: JobOptions): Promise<AttributeAnswer>;
  /** `POST /api/steer`. */
  steer(body: EngineBody, options: JobOptions): Promise<Answer<"steered">>;
  /** `POST /api/select`. */
  select(body: EngineBody, options: JobOptions): Promise<Answer<"set">>;
}
