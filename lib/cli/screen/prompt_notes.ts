/**
 * Warnings about many prompts, each said once.
 *
 * @module
 */
import { printable } from "../../table/terminal.ts";
import { printNote } from "./output.ts";

/** What is to be said about many prompts, and of which. */
export class PromptNotes {
  readonly #found = new Map<string, { readonly first: string; prompts: number }>();

  /** About one prompt; `where` tells it from the others. */
  add(where: string, warnings: readonly string[]): void {
    for (const warning of warnings) {
      const known = this.#found.get(warning);
      if (known) known.prompts++;
      else this.#found.set(warning, { first: where, prompts: 1 });
    }
  }

  /** Says each warning with the first prompt that it is about, and how many there are. */
  async print(): Promise<void> {
    for (const [warning, { first, prompts }] of this.#found) {
      const which = prompts === 1 ? first : `${prompts} prompts, the first ${first}`;
      await printNote(`warning: ${printable(which)}: ${printable(warning)}\n`);
    }
  }
}
