/**
 * Published figures of one attribution, to be computed again: the form of the file.
 *
 * @module
 */
import { Fields } from "../../weights/json/fields.ts";
import { PROCESSING_CHOICES, type ProcessingChoice } from "../run/processing.ts";
import type { TokenRef } from "../metric/metrics.ts";

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
  /** A name, directory or URL. */
  readonly model: string;
  /** A name, directory or URL. */
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

/** Of a text, and of a list. */
const [MOST_CHARACTERS, MOST_FIGURES] = [100_000, 100_000];
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
  const of = new Fields(value, (message) => new SyntaxError(`${file}: ${message}`));
  const tolerances = of.object("tolerances");
  const tolerance = (name: keyof Tolerances): number => tolerances?.number(name) ?? TOLERANCES[name];
  const text = (fields: Fields, name: string): string | undefined => fields.text(name, { max: MOST_CHARACTERS });
  const needText = (name: string): string => of.need(name, text(of, name));
  const needToken = (name: string): TokenRef => of.need(name, of.value(name, isToken, "a text or a token id"));
  const needNumber = (fields: Fields, name: string): number => fields.need(name, fields.number(name));
  const top = of.object("top_at_position");
  return {
    title: text(of, "title") ?? file,
    source: text(of, "source") ?? "",
    model: needText("model"),
    sae: needText("sae"),
    processing: of.choice("processing", PROCESSING_CHOICES) ?? "sae",
    prompt: needText("prompt"),
    prependBos: of.flag("prepend_bos"),
    includeErrorTerm: of.flag("include_error_term") ?? true,
    posToken: needToken("pos_token"),
    negToken: needToken("neg_token"),
    tolerances: {
      metric: tolerance("metric"),
      logit: tolerance("logit"),
      probability: tolerance("probability"),
      attribution: tolerance("attribution"),
      row: tolerance("row"),
    },
    metric: of.number("metric"),
    tokens: of.list("tokens", (token) => typeof token === "string", { what: "texts", max: MOST_FIGURES }) ?? [],
    nextTokens: of.objects("next_tokens", (next) => ({
      token: text(next, "token"),
      logit: next.number("logit"),
      probability: next.number("probability"),
    })),
    attributions: of.objects("attributions", (row) => ({
      position: needNumber(row, "position"),
      feature: needNumber(row, "feature"),
      attribution: needNumber(row, "attribution"),
      rank: row.number("rank"),
      row: row.number("row"),
    })),
    topAtPosition: top && {
      position: needNumber(top, "position"),
      features: top.list("features", isPair, { what: "pairs of numbers", max: MOST_FIGURES }) ?? [],
    },
  };
}

function isToken(value: unknown): value is TokenRef {
  return typeof value === "string" || Number.isSafeInteger(value);
}

function isPair(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length === 2 && value.every((item) => typeof item === "number");
}
