/**
 * Jobs of one part of the page, of which only the last one matters.
 *
 * @module
 */
import type { EngineEvent, JobOptions } from "../engine.ts";
import { labelWords } from "../settings.ts";
import { eventWords, wordsOf } from "../status.ts";

/** Runs a job after another; one that is still running is given up. */
export class LastJob {
  readonly #status: HTMLElement;
  readonly #signal: AbortSignal;
  #running = new AbortController();

  /**
   * @param status says how far it is, and what went wrong
   * @param signal aborted when the part is gone
   */
  constructor(status: HTMLElement, signal: AbortSignal) {
    this.#status = status;
    this.#signal = signal;
  }

  /** Its answer; undefined: it was given up, or failed, which was said. */
  async run<T>(ask: (options: JobOptions) => Promise<T>): Promise<T | undefined> {
    this.stop();
    const mine = this.#running = new AbortController();
    const onEvent = (event: EngineEvent): void => {
      const words = eventWords(event);
      if (words !== undefined && !mine.signal.aborted) this.say(words);
    };
    this.say("Running …");
    try {
      const answer = await ask({ signal: AbortSignal.any([mine.signal, this.#signal]), onEvent });
      if (mine.signal.aborted) return undefined;
      this.say("");
      return answer;
    } catch (error) {
      if (!mine.signal.aborted) this.say(labelWords(wordsOf(error)));
      return undefined;
    }
  }

  /** Gives up what is running. */
  stop(): void {
    this.#running.abort();
    this.say("");
  }

  /** Says something where its progress is said. */
  say(words: string): void {
    this.#status.textContent = words;
  }
}
