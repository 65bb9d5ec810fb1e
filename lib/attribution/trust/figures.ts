/**
 * Published figures of one attribution, to be computed again: the form of the file.
 *
 * @module
 */
import type { Fields } from "../../weights/json/fields.ts";

/** A next token as published. */
export interface PublishedToken {
  readonly token?: string;
  readonly logit?: number;
  readonly probability?: number;
}

/** A row of the long table as published. */
export interface PublishedAttribution {
  /** Where the SAE writes; default: the first SAE's. */
  readonly hook?: string;
  readonly position: number;
  readonly feature: number;
  readonly attribution: number;
  /** Its place among all rows of its hook, the largest attribution being 0. */
  readonly rank?: number;
  /** Its place among those rows by feature, then by position. */
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

/** Figures of a run. What was not published is left out. */
export interface PublishedFigures {
  readonly title: string;
  /** Who computed them, where they are printed. */
  readonly source: string;
  readonly tolerances: Tolerances;
  readonly metric: number | undefined;
  /** The prompt's tokens as text. */
  readonly tokens: readonly string[];
  /** The most probable next tokens, best first. */
  readonly nextTokens: readonly PublishedToken[];
  readonly attributions: readonly PublishedAttribution[];
  /** The features with the largest sums at one position, largest first. */
  readonly topAtPosition:
    | { readonly hook?: string; readonly position: number; readonly features: readonly (readonly number[])[] }
    | undefined;
}

/** Of a text, and of a list. */
const [MOST_CHARACTERS, MOST_FIGURES] = [100_000, 100_000];
/** What float32 on another machine may differ by. */
const TOLERANCES: Tolerances = { metric: 1e-3, logit: 1e-3, probability: 1e-4, attribution: 1e-4, row: 0 };

/**
 * Reads the figures of a file; other properties are those of the run.
 *
 * @param file what they are called without a title
 * @throws what the properties throw, naming the first that is wrong
 */
export function readFigures(of: Fields, file: string): PublishedFigures {
  const tolerances = of.object("tolerances");
  const tolerance = (name: keyof Tolerances): number => tolerances?.number(name) ?? TOLERANCES[name];
  const text = (fields: Fields, name: string): string | undefined => fields.text(name, { max: MOST_CHARACTERS });
  const needNumber = (fields: Fields, name: string): number => fields.need(name, fields.number(name));
  const top = of.object("top_at_position");
  return {
    title: text(of, "title") ?? file,
    source: text(of, "source") ?? "",
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
      hook: text(row, "hook"),
      position: needNumber(row, "position"),
      feature: needNumber(row, "feature"),
      attribution: needNumber(row, "attribution"),
      rank: row.number("rank"),
      row: row.number("row"),
    })),
    topAtPosition: top && {
      hook: text(top, "hook"),
      position: needNumber(top, "position"),
      features: top.list("features", isPair, { what: "pairs of numbers", max: MOST_FIGURES }) ?? [],
    },
  };
}

function isPair(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length === 2 && value.every((item) => typeof item === "number");
}
