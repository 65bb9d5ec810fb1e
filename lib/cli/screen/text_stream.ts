/**
 * Generated text, printed as it comes.
 *
 * @module
 */
import { printableLines } from "../../table/terminal.ts";
import { printData, type Screen } from "./output.ts";

/** Prints pieces of a text, and ends its last line. */
export class PrintedText {
  readonly #screen: Screen;
  #last = "";

  /** Prints to standard output. */
  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** Prints a piece; a terminal gets nothing that it would obey. */
  async print(text: string): Promise<void> {
    if (text === "") return;
    this.#last = text;
    await printData([this.#screen.isTerminal ? printableLines(text) : text]);
  }

  /** Ends the last line. */
  async end(): Promise<void> {
    if (!this.#last.endsWith("\n")) await printData(["\n"]);
  }
}
