/**
 * Command lines that make a run again.
 *
 * @module
 */
import { PROCESSING_FLAGS } from "../attribution/run/processing.ts";
import type { Attribution, AttributionParts } from "../attribution/result/result.ts";
import type { Processing } from "../../models/family.ts";
import type { Sae } from "../sae/sae.ts";

/**
 * A command line for a POSIX shell.
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { commandLine } from "./command.ts";
 *
 * assert.equal(commandLine(["predict", " it's", "--top", "3"]), String.raw`deno run -A cli.ts predict ' it'\''s' --top 3`);
 * ```
 */
export function commandLine(args: readonly string[]): string {
  return ["deno run -A cli.ts", ...args.map(shellQuoted)].join(" ");
}

function shellQuoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** The command line's names of the metrics that it can ask for by token ids. */
const METRICS: Readonly<Record<string, string>> = {
  logit_diff: "logit-diff",
  logit: "logit",
  logprob: "logprob",
  prob: "prob",
  loss: "loss",
};

/**
 * The `report` command that makes the same run, worked out from its result: with token ids, and with everything said
 * that was decided by default. Null where the metric is one that only a program can make.
 */
export function commandOf({ parts, tokens, hooks }: Attribution): string | null {
  const compared = baselineArgs(parts);
  const { model, metricName, grads: { resolvedMetric, rows, processing }, includeErrorTerm, saes } = parts;
  const { positive = [], negative = [] } = resolvedMetric;
  if (!Object.hasOwn(METRICS, metricName) || hooks.length === 0 || compared === null) return null;
  const [{ run: { excluded } }] = saes.values();
  const excludedIds = [...new Set([...excluded].map((position) => tokens[position].id))];
  const flags = Object.entries(PROCESSING_FLAGS).map(([key, name]) =>
    `--${processing[key as keyof Processing] ? "" : "no-"}${name.replaceAll("_", "-")}`
  );
  return commandLine([
    "report",
    "--token-ids",
    tokens.map(({ id }) => id).join(","),
    "--metric",
    METRICS[metricName],
    ...positive.flatMap((id) => ["--pos-id", String(id)]),
    ...negative.flatMap((id) => ["--neg-id", String(id)]),
    ...(metricName === "loss" ? [] : ["--metric-position", rows.join(",")]),
    ...methodArgs(parts),
    ...compared,
    "--model",
    model.name,
    ...[...saes.values()].flatMap(({ run: { sae } }) => saeArgs(sae)),
    ...flags,
    ...(excludedIds.length === 0 ? ["--no-exclude-special-tokens"] : ["--exclude-token-ids", excludedIds.join(",")]),
    ...(includeErrorTerm ? [] : ["--no-error-term"]),
    "--output",
    "report.html",
  ]);
}

function methodArgs({ method, saes }: AttributionParts): string[] {
  const [first] = saes.values();
  return [
    "--method",
    method,
    ...(first.integration === undefined ? [] : ["--steps", String(first.integration.steps)]),
    ...(first.directEffect === undefined ? [] : ["--direct-effect"]),
  ];
}

/** Null: over prompts that only the caller knows. */
function baselineArgs({ baseline }: AttributionParts): string[] | null {
  if (baseline === undefined) return [];
  if (baseline.name === "mean of prompts") return null;
  return ["--baseline", baseline.tokens === undefined ? baseline.name : `ids:${baseline.tokens.join(",")}`];
}

function saeArgs({ source, hookIn, hookOut, config: { normScalingFactor } }: Sae): string[] {
  return [
    "--sae",
    `${source}@${hookOut}`,
    ...(hookIn === hookOut ? [] : ["--hook-in", hookIn]),
    ...(normScalingFactor === undefined ? [] : ["--norm-scaling-factor", String(normScalingFactor)]),
  ];
}
