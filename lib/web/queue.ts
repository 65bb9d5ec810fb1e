/**
 * One thing after another: jobs wait for the worker, give up their place when their client goes away, and are refused
 * when too many wait.
 *
 * @module
 */
import { ApiError } from "./api_error.ts";

/** What does the jobs, one at a time. */
export interface Performer<Job, Event> {
  /**
   * Does a job. It may not be possible to stop it; when the signal is aborted nobody waits for it any more.
   *
   * @returns when it is done and the performer is free again
   */
  perform(job: Job, onEvent: (event: Event) => void, signal: AbortSignal): Promise<Event>;
}

/** How many may wait. */
export interface QueueLimits {
  /** Of all clients together. */
  readonly waiting: number;
  /** Of one client. */
  readonly waitingPerClient: number;
}

/** A job with who asked for it. */
export interface Submission<Job, Event> {
  readonly job: Job;
  /** Jobs of one client have the same name. */
  readonly client: string;
  /** Aborted when nobody wants it any more. */
  readonly signal: AbortSignal;
  /** How many are before it, whenever that changes; 0 when it is its turn. */
  onAhead?(ahead: number): void;
  /** What it tells before it is done. */
  onEvent?(event: Event): void;
}

interface Waiting<Job, Event> extends Submission<Job, Event> {
  readonly done: PromiseWithResolvers<Event>;
}

/** The limits where none are given. */
export const DEFAULT_LIMITS: QueueLimits = { waiting: 32, waitingPerClient: 8 };

/** A queue before a performer. */
export class JobQueue<Job, Event> {
  readonly #performer: Performer<Job, Event>;
  readonly #limits: QueueLimits;
  #waiting: Waiting<Job, Event>[] = [];
  #isBusy = false;

  constructor(performer: Performer<Job, Event>, limits: QueueLimits = DEFAULT_LIMITS) {
    this.#performer = performer;
    this.#limits = limits;
  }

  /** Jobs that wait, besides the one that runs. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** A job runs. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /**
   * Does a job when its turn has come.
   *
   * @throws {ApiError} 429 if this client has too many waiting, 503 if all together have
   * @throws the signal's reason, as soon as it is aborted
   */
  async submit(submission: Submission<Job, Event>): Promise<Event> {
    const { signal, client } = submission;
    signal.throwIfAborted();
    const ofClient = this.#waiting.filter((other) => other.client === client).length;
    if (this.#isBusy && ofClient >= this.#limits.waitingPerClient) {
      throw new ApiError(429, `${ofClient} of your requests are waiting already: wait for their answers`, 1);
    }
    if (this.#isBusy && this.#waiting.length >= this.#limits.waiting) {
      throw new ApiError(503, `${this.#waiting.length} requests are waiting already: try again later`, 2);
    }
    const entry: Waiting<Job, Event> = { ...submission, done: Promise.withResolvers<Event>() };
    const drop = (): void => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
      entry.done.reject(signal.reason);
      this.#tellPlaces();
    };
    signal.addEventListener("abort", drop, { once: true });
    this.#waiting.push(entry);
    if (this.#isBusy) entry.onAhead?.(this.#waiting.length);
    void this.#next();
    try {
      return await entry.done.promise;
    } finally {
      signal.removeEventListener("abort", drop);
    }
  }

  async #next(): Promise<void> {
    if (this.#isBusy) return;
    const entry = this.#waiting.shift();
    if (!entry) return;
    this.#isBusy = true;
    this.#tellPlaces();
    entry.onAhead?.(0);
    try {
      const onEvent = (event: Event): void => entry.signal.aborted ? undefined : entry.onEvent?.(event);
      entry.done.resolve(await this.#performer.perform(entry.job, onEvent, entry.signal));
    } catch (error) {
      entry.done.reject(error);
    } finally {
      this.#isBusy = false;
      void this.#next();
    }
  }

  #tellPlaces(): void {
    this.#waiting.forEach((entry, i) => entry.onAhead?.(i + (this.#isBusy ? 1 : 0)));
  }
}
