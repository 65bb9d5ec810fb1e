/**
 * Where the command line prints: data on standard output, everything for people on standard error.
 *
 * @module
 */

/** The terminal behind standard output or standard error, or what stands for one in a file or pipe. */
export interface Screen {
  /** Characters a line. */
  readonly width: number;
  readonly color: boolean;
  readonly isTerminal: boolean;
}

/** Lines in files and pipes are no longer than this. */
const WIDTH_ELSEWHERE = 100;
const NARROWEST = 40;

/** What standard output is. */
export function stdoutScreen(): Screen {
  return screenOf(Deno.stdout);
}

/** What standard error is; of a quiet command no terminal, so that nothing says how far it is. */
export function stderrScreen(isQuiet: boolean): Screen {
  const screen = screenOf(Deno.stderr);
  return isQuiet ? { ...screen, isTerminal: false } : screen;
}

function screenOf(stream: { isTerminal(): boolean }): Screen {
  const isTerminal = stream.isTerminal();
  return { width: isTerminal ? terminalWidth() : WIDTH_ELSEWHERE, color: isTerminal && !Deno.noColor, isTerminal };
}

function terminalWidth(): number {
  try {
    return Math.max(NARROWEST, Deno.consoleSize().columns);
  } catch {
    return WIDTH_ELSEWHERE; // a terminal that does not tell its size
  }
}

/**
 * Writes to standard output.
 *
 * @throws {Deno.errors.BrokenPipe} once its reader has gone (`| head`): cli.ts ends quietly then
 */
export function printData(chunks: Iterable<string | Uint8Array>): Promise<void> {
  return writeAll(Deno.stdout, chunks);
}

/** Writes text for people to standard error. */
export function printNote(text: string): Promise<void> {
  return writeAll(Deno.stderr, [text]);
}

async function writeAll(
  stream: { write(bytes: Uint8Array): Promise<number> },
  chunks: Iterable<string | Uint8Array>,
): Promise<void> {
  const encoder = new TextEncoder();
  for (const chunk of chunks) {
    let rest = typeof chunk === "string" ? encoder.encode(chunk) : chunk;
    while (rest.length > 0) rest = rest.subarray(await stream.write(rest));
  }
}
