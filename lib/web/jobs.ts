/**
 * What the server asks of its worker, and what the worker answers: plain data that can be posted.
 *
 * @module
 */
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

/** A job of any kind. */
export type Job = PredictJob | AttributeJob;

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

/** What a job tells, as JSON has it: progress while it lasts, its answer at the end. */
export type JobEvent =
  | { readonly type: "opening"; readonly name: string }
  | { readonly type: "downloading"; readonly done: number; readonly total: number | null; readonly path: string }
  | { readonly type: "running" }
  | { readonly type: "prediction"; readonly prediction: PredictionAnswer }
  | { readonly type: "report"; readonly report: ReportData }
  | { readonly type: "rows"; readonly text: string }
  | { readonly type: "file"; readonly bytes: Uint8Array<ArrayBuffer> };

/** What is posted to the worker. */
export type WorkerRequest =
  | {
    readonly options: WorkerOptions;
    /** One shared integer: nobody waits for the job of this number, or for those before it. */
    readonly givenUp: Int32Array;
  }
  | { readonly id: number; readonly job: Job };

/** What the worker posts. */
export type WorkerAnswer =
  | { readonly id: number; readonly kind: "event" | "done"; readonly event: JobEvent }
  | { readonly id: number; readonly kind: "error"; readonly status: number; readonly message: string };
