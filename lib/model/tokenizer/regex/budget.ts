/**
 * A bound for work that a file asks for: its patterns and tokens may be made to take for ever.
 *
 * @module
 */

/** Many times what tokenizers in use take: those of GPT-2 and Llama need fewer than 30 steps a character. */
const STEPS_PER_CHARACTER = 200;
/** About a second. Patterns such as `\s+$` take the square of a long run of spaces. */
const LEAST_STEPS = 50_000_000;

/** Steps that are left for a text. */
export class Budget {
  #left = 0;

  /** A new text, with the steps that are due to it. */
  start(length: number): void {
    this.#left = LEAST_STEPS + length * STEPS_PER_CHARACTER;
  }

  /** Takes steps. */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw tooMuch();
  }
}

/** What is thrown. */
export function tooMuch(): RangeError {
  return new RangeError(
    "Cannot encode this text: the tokenizer's patterns or tokens need too many steps for it: give a shorter text",
  );
}
