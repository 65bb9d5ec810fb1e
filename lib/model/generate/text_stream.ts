/**
 * Text from tokens as they come.
 *
 * @module
 */
import type { ModelTokenizer } from "../tokenizer.ts";

/** So many tokens before the new ones say how a decoder writes those, such as a space in front. */
const CONTEXT_TOKENS = 6;

/** The beginning of a character, of up to three bytes: more of them are none, and are what they are decoded to. */
const PART = /(?<!\ufffd)\ufffd{1,3}$/;

/** Text as it comes, up to a stop text. */
export class TextStream {
  readonly #tokenizer: Pick<ModelTokenizer, "decode" | "specialIds">;
  readonly #stop: readonly string[];
  /** Tokens whose text is known, and then those whose text is not complete. */
  readonly #tokens: number[];
  #known: number;
  /** Text that may be the beginning of a stop text. */
  #held = "";
  #hasStopped = false;

  /**
   * Begins after a prompt.
   *
   * @param stop texts that end it
   */
  constructor(
    tokenizer: Pick<ModelTokenizer, "decode" | "specialIds">,
    prompt: readonly number[],
    stop: readonly string[] = [],
  ) {
    this.#tokenizer = tokenizer;
    this.#stop = stop.filter((text) => text !== "");
    this.#tokens = prompt.filter((id) => !tokenizer.specialIds.has(id)).slice(-CONTEXT_TOKENS);
    this.#known = this.#tokens.length;
  }

  /** Whether a stop text was met. */
  get hasStopped(): boolean {
    return this.#hasStopped;
  }

  /** The text that is certain now. */
  push(id: number): string {
    if (this.#tokenizer.specialIds.has(id)) return "";
    this.#tokens.push(id);
    const text = this.#pending;
    if (text.endsWith("\ufffd")) return ""; // a part of a character
    this.#tokens.splice(0, this.#tokens.length - CONTEXT_TOKENS);
    this.#known = this.#tokens.length;
    return this.#pass(text);
  }

  /** What was held back, when no token comes any more; a part of a character is left out. */
  end(): string {
    const text = this.#pass(this.#pending.replace(PART, "")) + this.#held;
    this.#held = "";
    return text;
  }

  /** The text of the tokens whose text is not known; a character that the prompt has begun is in it, whole. */
  get #pending(): string {
    const before = this.#tokenizer.decode(this.#tokens.slice(0, this.#known)).replace(PART, "");
    return this.#tokenizer.decode(this.#tokens).slice(before.length);
  }

  #pass(text: string): string {
    const all = this.#held + text;
    const found = this.#stop.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.#hasStopped = true;
      this.#held = "";
      return all.slice(0, Math.min(...found));
    }
    const held = Math.max(0, ...this.#stop.map((stop) => overlap(all, stop)));
    this.#held = all.slice(all.length - held);
    return all.slice(0, all.length - held);
  }
}

/** The length of the longest end of a text with which another begins. */
function overlap(text: string, stop: string): number {
  let length = Math.min(text.length, stop.length - 1);
  while (length > 0 && !text.endsWith(stop.slice(0, length))) length--;
  return length;
}
