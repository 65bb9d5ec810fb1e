/**
 * The worker with the model, seen from outside: jobs go in, events come out.
 *
 * @module
 */
import { ApiError } from "./api_error.ts";
import type { Job, JobEvent, WorkerAnswer, WorkerOptions } from "./jobs.ts";
import type { Performer } from "./queue.ts";

/**
 * A job that nobody wants any more and that does not see it, in a download or where no memory is shared, has so long to
 * come to an end; then it is ended, and its worker.
 */
const SILENCE_MS = 5000;
/** A run that takes longer is ended. While bytes of a download come it is not over. */
const LIMIT_MS = 600_000;

/** How long a job may go on. */
export interface WorkerLimits {
  /** In all. Default: 10 minutes. */
  readonly limitMs?: number;
  /** When nobody wants it any more and it does not see that. Default: 5 seconds. */
  readonly silenceMs?: number;
}

/** In a page only where it is cross-origin isolated. */
const CAN_SHARE = typeof SharedArrayBuffer !== "undefined";

/** The Web's: onnxruntime-web puts Node's in its place in a process that opens a model itself. */
const WebWorker = globalThis.Worker;

/**
 * Does jobs in a Worker, where a run does not block the server. A run that nobody waits for stops at the model's next stage;
 * how long that takes says nothing about the worker, for the machine may be busy.
 */
export class WorkerHandle implements Performer<Job, JobEvent>, Disposable {
  readonly #options: WorkerOptions;
  /** The number of the last job that nobody waits for, where the worker sees it in the middle of a run. */
  readonly #givenUp = new Int32Array(CAN_SHARE ? new SharedArrayBuffer(4) : new ArrayBuffer(4));
  readonly #limitMs: number;
  readonly #silenceMs: number;
  /** The user's own files, by location: every worker is told of them. */
  readonly #files = new Map<string, ReadonlyMap<string, Blob>>();
  #worker: Worker | undefined;
  #lastId = 0;

  constructor(options: WorkerOptions, { limitMs = LIMIT_MS, silenceMs = SILENCE_MS }: WorkerLimits = {}) {
    this.#options = options;
    this.#limitMs = limitMs;
    this.#silenceMs = silenceMs;
  }

  /** How many workers there have been. */
  restarts = 0;

  /** Does one job. It must not be called again before it has returned. */
  async perform(job: Job, onEvent: (event: JobEvent) => void, signal: AbortSignal): Promise<JobEvent> {
    const worker = this.#worker ??= this.#start();
    const id = ++this.#lastId;
    const done = Promise.withResolvers<JobEvent>();
    const listening = new AbortController();
    const end = (reason: ApiError): void => {
      this.#end();
      done.reject(reason);
    };
    worker.addEventListener("message", ({ data }: MessageEvent<WorkerAnswer>) => {
      if (data.id !== id) return;
      if (data.kind === "error") done.reject(new ApiError(data.status, data.message));
      else if (data.kind === "done") done.resolve(data.event);
      else {
        isDownloading = data.event.type === "downloading";
        if (isDownloading) wind();
        onEvent(data.event);
      }
    }, { signal: listening.signal });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      end(new ApiError(500, `The run ended unexpectedly: ${event.message}`));
    }, { signal: listening.signal });
    let clock: ReturnType<typeof setTimeout> | undefined;
    const wind = (): void => {
      clearTimeout(clock);
      const message = `The run took longer than ${this.#limitMs / 1000} s and was ended: shorten the prompt`;
      clock = setTimeout(() => end(new ApiError(504, message)), this.#limitMs);
    };
    let isDownloading = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const giveUp = (): void => {
      Atomics.store(this.#givenUp, 0, id);
      const silent = new ApiError(499, "Nobody waits for this run any more");
      if (isDownloading || !CAN_SHARE) timer = setTimeout(() => end(silent), this.#silenceMs);
    };
    signal.addEventListener("abort", giveUp, { signal: listening.signal });
    try {
      wind();
      worker.postMessage({ id, job });
      return await done.promise;
    } finally {
      clearTimeout(timer);
      clearTimeout(clock);
      listening.abort();
    }
  }

  /** The user's own files are opened by this location from now on. */
  offer(location: string, files: ReadonlyMap<string, Blob>): void {
    this.#files.set(location, files);
    this.#worker?.postMessage({ location, files });
  }

  #start(): Worker {
    this.restarts++;
    const worker = new WebWorker(new URL("./worker.ts", import.meta.url).href, { type: "module" });
    worker.postMessage({ options: this.#options, givenUp: this.#givenUp });
    for (const [location, files] of this.#files) worker.postMessage({ location, files });
    return worker;
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  /** Ends the worker. */
  [Symbol.dispose](): void {
    this.#end();
  }
}
