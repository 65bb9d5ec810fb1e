import { closed, describeFailure, shownUrl, TransientError } from "./answers.ts";
import { makeWatch, pause, type Watch } from "./watch.ts";

/** How patient requests are; the defaults suit a server on the internet. */
export interface Patience {
  /** Milliseconds before each new try; default 200, 600 and 1800. */
  readonly retryDelays?: readonly number[];
  /** Milliseconds without a byte after which a request has failed; default 60,000. */
  readonly stallTimeout?: number;
}

/** One try of something. */
export interface Try extends Watch {
  /** Counts from 0. */
  readonly number: number;
  /** The bytes are there up to a position: once it is farther than ever, all tries are to be had again. */
  reached(position: number): void;
}

/**
 * Tries until it works, as often as is sensible: only a {@linkcode TransientError} or a network's failure is worth
 * another try. Errors name the URL without its query.
 */
export async function withRetries<T>(
  url: URL,
  { retryDelays = [200, 600, 1800], stallTimeout = 60_000 }: Patience,
  closing: AbortSignal,
  attempt: (now: Try) => Promise<T>,
): Promise<T> {
  let farthest = 0;
  let left = 0; // tries that failed since the last byte
  for (let number = 0;; number++) {
    if (closing.aborted) throw closed(url);
    const watch = makeWatch(closing, stallTimeout);
    const reached = (position: number): void => {
      if (position > farthest) left = 0;
      farthest = Math.max(farthest, position);
    };
    let failure: TransientError;
    try {
      return await attempt({ ...watch, number, reached });
    } catch (error) {
      if (closing.aborted) throw closed(url);
      failure = transient(url, error, watch);
      if (failure.isGivenUp) throw failure;
      if (left >= retryDelays.length) {
        throw Object.assign(failure, { message: `${failure.message} (tried ${left + 1} times)`, isGivenUp: true });
      }
    } finally {
      watch.stop();
    }
    await pause(Math.max(retryDelays[left++], failure.retryAfter), closing);
  }
}

function transient(url: URL, error: unknown, watch: Watch): TransientError {
  if (watch.stalled()) return new TransientError(`Cannot read ${shownUrl(url)}: the server sends no more`);
  const failure = describeFailure(url, error);
  if (failure instanceof TransientError) return failure;
  throw failure;
}
