import type { GoldenCase } from "./golden.ts";

/** A golden case as a file of published figures, for the tests of verify. */
export interface PublishedCase {
  readonly tokens: readonly string[];
  readonly metric: number;
  readonly attributions: readonly {
    readonly position: number;
    readonly feature: number;
    readonly attribution: number;
    readonly rank: number;
    readonly row: number;
  }[];
  readonly [key: string]: unknown;
}

/** What the reference stack printed of a case; what the reference shows as U+FFFD is no published text. */
export function publishedCase(golden: GoldenCase, model: string, sae: string): PublishedCase {
  const { prompt, prepend_bos, metric, expected, include_error_term } = golden;
  const { rows } = expected.saes[golden.saes[0].hook];
  const byFeature = [...rows].sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  const [[position]] = rows;
  const there = rows.filter(([p]) => p === position).slice(0, 3);
  return {
    title: golden.name,
    source: "the reference stack",
    model,
    sae,
    processing: "default",
    prompt,
    prepend_bos,
    include_error_term,
    pos_token: metric.pos_token,
    neg_token: metric.neg_token,
    metric: expected.metric,
    tokens: golden.str_tokens,
    next_tokens: expected.next_tokens.map(({ token, logit, probability }) => ({
      ...(token.includes("\ufffd") ? {} : { token }),
      logit,
      probability,
    })),
    attributions: rows.map((row, rank) => ({
      position: row[0],
      feature: row[1],
      attribution: row[2],
      rank,
      row: byFeature.indexOf(row),
    })),
    top_at_position: { position, features: there.map(([, feature, attribution]) => [feature, attribution]) },
  };
}
