/**
 * Ctrl-C, as a command takes it that has something to say before it ends.
 *
 * @module
 */

/** A command that was told to end; as for other programs, the exit code is 128 and the signal's number. */
export class Interrupted extends Error {
  override name = "Interrupted";
  /** Of the process. */
  readonly exitCode: number;

  /** Takes what there is to say. */
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Signals that ask for an end, with their exit codes. */
const EXIT_CODES: readonly (readonly [Deno.Signal, number])[] = [
  ["SIGINT", 130],
  ...(Deno.build.os === "windows" ? [] : [["SIGTERM", 143] as const]),
];

/** Calls at every signal that asks for an end; what comes back stops that. */
export function onSignal(call: (exitCode: number) => void): () => void {
  const listeners = EXIT_CODES.map(([signal, exitCode]) => [signal, () => call(exitCode)] as const);
  listeners.forEach(([signal, listener]) => Deno.addSignalListener(signal, listener));
  return () => listeners.forEach(([signal, listener]) => Deno.removeSignalListener(signal, listener));
}

/** Listens until it is disposed of. */
export interface Interrupt extends Disposable {
  /** Aborted by the first signal. The second ends the process at once. */
  readonly signal: AbortSignal;
  /** The exit code; undefined: there was no signal. */
  readonly code: number | undefined;
  /** The outcome of work that heeds the signal; what does not heed it for a while is no longer waited for. */
  end<T>(work: Promise<T>): Promise<T>;
}

/** Work on one thing may have to come to its end first. */
const PATIENCE_MS = 10_000;

export function onInterrupt(): Interrupt {
  const abort = new AbortController();
  const { promise: late, reject } = Promise.withResolvers<never>();
  late.catch(() => {});
  let code: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const forget = onSignal((exitCode) => {
    code = exitCode;
    forget();
    abort.abort();
    timer = setTimeout(() => reject(abort.signal.reason), PATIENCE_MS);
  });
  return {
    signal: abort.signal,
    get code() {
      return code;
    },
    end: (work) => Promise.race([work, late]),
    [Symbol.dispose]() {
      clearTimeout(timer);
      if (code === undefined) forget();
    },
  };
}
