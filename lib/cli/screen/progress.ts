/**
 * A line on the terminal while something lasts.
 *
 * @module
 */
import { printNote, type Screen } from "./output.ts";

/** What is over sooner needs no word. */
const PATIENCE_MS = 500;
const CLEAR_LINE = "\r\x1b[K";

/** Does `work`; on a terminal, a line says so while it lasts and is gone afterwards. */
export async function withProgress<T>(screen: Screen, text: string, work: () => Promise<T>): Promise<T> {
  if (!screen.isTerminal) return await work();
  let shown: Promise<void> | undefined;
  const timer = setTimeout(() => shown = printNote(`${text} …`), PATIENCE_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    await shown;
    if (shown !== undefined) await printNote(CLEAR_LINE);
  }
}
