/** Aborts a request that stalls or whose source is closed. */
export interface Watch {
  /** For `fetch`. */
  readonly signal: AbortSignal;
  /** Whether it was aborted because nothing came for too long. */
  stalled(): boolean;
  /** Bytes have come: wait anew. */
  tick(): void;
  /** Ends the watch, and with it a body that nobody wants. */
  stop(): void;
}

/** Watches one request: `tick` must be called at least every `stallTimeout` milliseconds. */
export function makeWatch(closing: AbortSignal, stallTimeout: number): Watch {
  const controller = new AbortController();
  let stalled = false;
  const stall = (): void => {
    stalled = true;
    controller.abort();
  };
  const close = (): void => controller.abort();
  closing.addEventListener("abort", close);
  let timer = setTimeout(stall, stallTimeout);
  return {
    signal: controller.signal,
    stalled: () => stalled,
    tick: () => {
      clearTimeout(timer);
      timer = setTimeout(stall, stallTimeout);
    },
    stop: () => {
      clearTimeout(timer);
      closing.removeEventListener("abort", close);
      controller.abort();
    },
  };
}

/** Waits, less long if the signal is aborted. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
  });
}
