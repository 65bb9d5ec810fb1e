/**
 * What the server asks of its worker, and what the worker answers: plain data that can be posted.
 *
 * @module
 */
import type { DownstreamError } from "../attribution/change/downstream_error.ts";
import type { Intervention, SteeredActivation } from "../attribution/change/interventions.ts";
import type { SteeredPrediction } from "../attribution/change/steer.ts";
import type { SetFeature } from "../attribution/sets/candidates.ts";
import type { SelectedSet, SelectOptions } from "../attribution/sets/select.ts";
import type { ReportData } from "../report/report_data.ts";
import type { RequestValues } from "../request/fields.ts";
import type { ModelRequest, RunRequest } from "../request/request.ts";
import type { SaeRequest } from "../request/saes.ts";
import { DATA_FORMATS } from "../table/formats.ts";
import type { Device } from "../runtime/runtime.ts";

/** How the worker runs. */
export interface WorkerOptions {
  /** Where the model runs. */
  readonly device: Device;
  /** Processor threads; undefined: what the runtime takes by default. */
  readonly threads: number | undefined;
  /** What the user named, by the names that are shown. Other names are public ones. */
  readonly places?: Readonly<Record<string, string>>;
  /** What would be environment variables, where there are none. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** How messages name fields: as properties of JSON, or in backquotes, for a page that says them by its labels. */
export type MessageWords = "properties" | "backquotes";

/** Which prompt, with which SAEs. */
export interface RunJob {
  readonly words: MessageWords;
  /** The fields of the request as they were given. */
  readonly values: RequestValues;
  /** They decide about BOS and the model's form, too. */
  readonly saes: readonly SaeRequest[];
  /** Text, or token ids used exactly as given. */
  readonly prompt: string | readonly number[];
}

/** The next-token table. Where the model runs is the worker's own. */
export interface PredictJob extends ModelRequest, RunJob {
  readonly kind: "predict";
  /** After which token, from the end when negative. */
  readonly position: number;
  readonly top: number;
  /** A token whose place is wanted wherever it is. */
  readonly answer: string | number | undefined;
}

/** How an attribution is answered: with everything that a page shows, or with the command line's rows. */
export const RESULT_FORMATS = ["report", ...DATA_FORMATS] as const;

/** Feature attribution. Where the model runs is the worker's own. */
export interface AttributeJob extends RunRequest, RunJob {
  readonly kind: "attribute";
  readonly format: typeof RESULT_FORMATS[number];
  /** Of a report: how many features per SAE get a card, which comes after the rest. */
  readonly cards: number;
  /** Of a report: how many next tokens; 0: the logits of all tokens are not computed. */
  readonly predictions: number;
}

/** Other activations of features, and what the model says then. */
export interface SteerJob extends RunRequest, RunJob {
  readonly kind: "steer";
  /** Applied in their order. */
  readonly interventions: readonly Intervention[];
  /** Whose next token is looked at, from the end when negative. */
  readonly position: number;
  /** Next tokens of each side. */
  readonly top: number;
  readonly downstreamError: DownstreamError;
}

/** A set of features: searched for, or given and measured. */
export interface SelectJob extends RunRequest, RunJob {
  readonly kind: "select";
  /** Where its SAE writes; undefined: there is one SAE. */
  readonly hook: string | undefined;
  /** What is searched for, and how sets are measured. */
  readonly options: Omit<SelectOptions, "onProgress">;
  /** The set to measure; undefined: one is searched for. */
  readonly set: readonly Omit<SetFeature, "attribution">[] | undefined;
}

/** A job that runs a model. */
export type ModelJob = PredictJob | AttributeJob | SteerJob | SelectJob;

/** What a job would download. */
export interface PriceJob {
  readonly kind: "price";
  readonly words: MessageWords;
  readonly of: ModelJob;
}

/** What is kept of downloads, in a page. */
export interface StorageJob {
  readonly kind: "storage";
  readonly words: MessageWords;
  /** Whether it is removed first. */
  readonly empty: boolean;
}

/** A job of any kind. */
export type Job = ModelJob | PriceJob | StorageJob;

/** One next token. */
export interface PredictedToken {
  readonly id: number;
  readonly token: string;
  /** 0 is the most probable. */
  readonly rank: number;
  /** Logit minus the vocabulary's mean. */
  readonly logit: number;
  readonly probability: number;
}

/** What the model predicts, as JSON has it. */
export interface PredictionAnswer {
  readonly model: { readonly name: string; readonly description: string; readonly family: string };
  readonly saes: readonly { readonly source: string; readonly hook: string; readonly d_sae: number }[];
  /** As they were asked for. */
  readonly settings: {
    readonly prepend_bos: boolean | null;
    readonly truncate: boolean;
    readonly processing: string;
  };
  readonly tokens: readonly { readonly id: number; readonly text: string; readonly special: boolean }[];
  /** After which token, counted from 0. */
  readonly position: number;
  /** Best first. */
  readonly predictions: readonly PredictedToken[];
  /** The place of the token that was asked for. */
  readonly answer: PredictedToken | null;
  /** What the prompt or the answer has that may not have been meant. */
  readonly warnings: readonly string[];
}

/** What features with other activations come to, as JSON has it; null where a number is not finite. */
export interface SteerAnswer {
  /** Whose next token it is, counted from 0. */
  readonly position: number;
  readonly metric: { readonly name: string; readonly before: number | null; readonly after: number | null };
  /** What was changed, in the order of hooks, positions and features. */
  readonly changes: readonly SteeredActivation[];
  /** The most probable next tokens before and after, those after first. */
  readonly predictions: readonly SteeredPrediction[];
}

/** A set with what it keeps and leaves: of one that was given, without what decides a search. */
export type SetAnswer =
  & Omit<SelectedSet, "direction" | "keep" | "seed" | "reached" | "candidates">
  & Partial<Pick<SelectedSet, "direction" | "keep" | "seed" | "reached" | "candidates">>;

/** What a job tells, as JSON has it: progress while it lasts, its answer at the end. */
export type JobEvent =
  | { readonly type: "opening"; readonly name: string }
  | DownloadingEvent
  | { readonly type: "running" }
  | { readonly type: "prediction"; readonly prediction: PredictionAnswer }
  | { readonly type: "report"; readonly report: ReportData }
  | { readonly type: "searching"; readonly runs: number }
  | { readonly type: "steered"; readonly steered: SteerAnswer }
  | { readonly type: "set"; readonly set: SetAnswer }
  | { readonly type: "rows"; readonly text: string }
  | { readonly type: "file"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: "price"; readonly download: number; readonly stored: number }
  | { readonly type: "storage"; readonly bytes: number; readonly passing: string | null };

/** How far downloads are. */
export interface DownloadingEvent {
  readonly type: "downloading";
  /** Bytes of this job. */
  readonly done: number;
  readonly total: number | null;
  /** The file that bytes came for last. */
  readonly path: string;
  /** Of late; null where that is not known. */
  readonly bytes_per_second: number | null;
  /** At that rate. */
  readonly seconds_left: number | null;
}

/** What is posted to the worker. */
export type WorkerRequest =
  | {
    readonly options: WorkerOptions;
    /** One shared integer: nobody waits for the job of this number, or for those before it. */
    readonly givenUp: Int32Array;
  }
  /** The user's own files, and the location by which they are opened from now on. */
  | { readonly location: string; readonly files: ReadonlyMap<string, Blob> }
  | { readonly id: number; readonly job: Job };

/** What the worker posts. */
export type WorkerAnswer =
  | { readonly id: number; readonly kind: "event" | "done"; readonly event: JobEvent }
  | { readonly id: number; readonly kind: "error"; readonly status: number; readonly message: string };
