/**
 * Published figures of one attribution, to be computed again: the form of the file.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { isRecord } from "../weights/json.ts";
import { PROCESSING_CHOICES, type ProcessingChoice } from "./processing.ts";
import type { TokenRef } from "./metrics.ts";

/** A next token as published. */
export interface PublishedToken {
  readonly token?: string;
  readonly logit?: number;
  readonly probability?: number;
}

/** A row of the long table as published. */
export interface PublishedAttribution {
  readonly position: number;
  readonly feature: number;
  readonly attribution: number;
  /** Its place among all rows, the largest attribution being 0. */
  readonly rank?: number;
  /** Its place among all rows by feature, then by position. */
  readonly row?: number;
}

/** How far a figure may be from the published one, besides the rounding of what was printed. */
export interface Tolerances {
  readonly metric: number;
  readonly logit: number;
  readonly probability: number;
  readonly attribution: number;
  /** In rows. */
  readonly row: number;
}

/** Figures, and the run that they are of. What was not published is left out. */
export interface PublishedFigures {
  readonly title: string;
  /** Who computed them, where they are printed. */
  readonly source: string;
  /** As `--model` takes it. */
  readonly model: string;
  /** As `--sae` takes it. */
  readonly sae: string;
  /** The form of the model. */
  readonly processing: ProcessingChoice;
  readonly prompt: string;
  readonly prependBos: boolean | undefined;
  readonly includeErrorTerm: boolean;
  /** The metric is the difference of their logits at the last position. */
  readonly posToken: TokenRef;
  readonly negToken: TokenRef;
  readonly tolerances: Tolerances;
  readonly metric: number | undefined;
  /** The prompt's tokens as text. */
  readonly tokens: readonly string[];
  /** The most probable next tokens, best first. */
  readonly nextTokens: readonly PublishedToken[];
  readonly attributions: readonly PublishedAttribution[];
  /** The features with the largest sums at one position, largest first. */
  readonly topAtPosition: { readonly position: number; readonly features: readonly (readonly number[])[] } | undefined;
}

/** What float32 on another machine may differ by. */
const TOLERANCES: Tolerances = { metric: 1e-3, logit: 1e-3, probability: 1e-4, attribution: 1e-4, row: 0 };

/**
 * Reads a file of figures.
 *
 * @param file what error messages call it
 * @throws {SyntaxError} if something is missing or of the wrong kind
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseFigures } from "./figures.ts";
 *
 * const figures = parseFigures({
 *   model: "tiny-facts",
 *   sae: "tiny-facts/blocks.3.hook_resid_pre",
 *   prompt: " Tiger Woods plays the sport of",
 *   pos_token: " golf",
 *   neg_token: " tennis",
 *   metric: 2.853,
 * }, "figures.json");
 * assert.equal(figures.processing, "sae");
 * ```
 */
export function parseFigures(value: unknown, file: string): PublishedFigures {
  const of = new Reader(file, value);
  const tolerances = of.has("tolerances") ? of.inside("tolerances") : undefined;
  const tolerance = (name: keyof Tolerances): number => tolerances?.number(name, TOLERANCES[name]) ?? TOLERANCES[name];
  const top = of.has("top_at_position") ? of.inside("top_at_position") : undefined;
  return {
    title: of.text("title", file),
    source: of.text("source", ""),
    model: of.text("model"),
    sae: of.text("sae"),
    processing: of.oneOf("processing", PROCESSING_CHOICES, "sae"),
    prompt: of.text("prompt"),
    prependBos: of.has("prepend_bos") ? of.boolean("prepend_bos", true) : undefined,
    includeErrorTerm: of.boolean("include_error_term", true),
    posToken: of.token("pos_token"),
    negToken: of.token("neg_token"),
    tolerances: {
      metric: tolerance("metric"),
      logit: tolerance("logit"),
      probability: tolerance("probability"),
      attribution: tolerance("attribution"),
      row: tolerance("row"),
    },
    metric: of.optional("metric"),
    tokens: of.list("tokens").map((_, i) => of.inside("tokens").text(String(i))),
    nextTokens: of.each("next_tokens", (next) => ({
      token: next.has("token") ? next.text("token") : undefined,
      logit: next.optional("logit"),
      probability: next.optional("probability"),
    })),
    attributions: of.each("attributions", (row) => ({
      position: row.number("position"),
      feature: row.number("feature"),
      attribution: row.number("attribution"),
      rank: row.optional("rank"),
      row: row.optional("row"),
    })),
    topAtPosition: top && {
      position: top.number("position"),
      features: top.each("features", (pair) => [pair.number("0"), pair.number("1")]),
    },
  };
}

/** Values of an object or list by their keys, each checked; errors say where. */
class Reader {
  readonly #where: string;
  readonly #value: Record<string, unknown>;

  constructor(where: string, value: unknown) {
    this.#where = where;
    if (!isRecord(value) && !Array.isArray(value)) throw new SyntaxError(`${where} is not a JSON object`);
    this.#value = value as Record<string, unknown>;
  }

  has(key: string): boolean {
    return Object.hasOwn(this.#value, key) && this.#value[key] !== null;
  }

  text(key: string, otherwise?: string): string {
    return this.#get(key, "a text", (value) => typeof value === "string", otherwise);
  }

  number(key: string, otherwise?: number): number {
    return this.#get(key, "a number", (value) => typeof value === "number", otherwise);
  }

  optional(key: string): number | undefined {
    return this.has(key) ? this.number(key) : undefined;
  }

  boolean(key: string, otherwise: boolean): boolean {
    return this.#get(key, "true or false", (value) => typeof value === "boolean", otherwise);
  }

  token(key: string): TokenRef {
    return this.#get(key, "a text or a token id", (value) => typeof value === "string" || Number.isSafeInteger(value));
  }

  oneOf<T extends string>(key: string, choices: readonly T[], otherwise: T): T {
    return this.#get(key, `one of ${choices.join(", ")}`, (value) => choices.includes(value as T), otherwise);
  }

  list(key: string): readonly unknown[] {
    return this.#get<readonly unknown[]>(key, "a list", Array.isArray, []);
  }

  inside(key: string): Reader {
    return new Reader(`${this.#where}: ${key}`, this.#value[key] ?? []);
  }

  each<T>(key: string, read: (entry: Reader) => T): T[] {
    return this.list(key).map((entry, i) => read(new Reader(`${this.#where}: ${key}[${i}]`, entry)));
  }

  #get<T>(key: string, what: string, fits: (value: unknown) => boolean, otherwise?: T): T {
    if (!this.has(key) && otherwise !== undefined) return otherwise;
    const value = this.#value[key];
    if (fits(value)) return value as T;
    const got = value === undefined ? "missing" : `${quote(value)}, not ${what}`;
    throw new SyntaxError(`${this.#where}: ${key} is ${got}`);
  }
}
