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
  readonly #status: Pick<HTMLElement, "textContent">;
  readonly #outside: () => AbortSignal;
  #running = new AbortController();

  /**
   * @param status says how far it is, and what went wrong
   * @param outside of the moment: aborted when another question runs, which should not wait
   */
  constructor(status: Pick<HTMLElement, "textContent">, outside: () => AbortSignal) {
    this.#status = status;
    this.#outside = outside;
  }

  /** Its answer; undefined: it was given up, or failed, which was said. */
  async run<T>(ask: (options: JobOptions) => Promise<T>): Promise<T | undefined> {
    this.stop();
    const mine = this.#running = new AbortController();
    const signal = AbortSignal.any([mine.signal, this.#outside()]);
    const onEvent = (event: EngineEvent): void => {
      const words = eventWords(event);
      if (words !== undefined && !signal.aborted) this.say(words);
    };
    this.say("Running …");
    try {
      const answer = await ask({ signal, onEvent });
      if (signal.aborted) return this.#end(mine, "");
      this.say("");
      return answer;
    } catch (error) {
      return this.#end(mine, signal.aborted ? "" : labelWords(wordsOf(error)));
    }
  }

  /** Says how it ended, if no other has begun. */
  #end(mine: AbortController, words: string): undefined {
    if (!mine.signal.aborted) this.say(words);
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
