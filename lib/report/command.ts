/**
 * The command line that makes a run again.
 *
 * @module
 */
import { METRIC_NAMES, NAMED_METRICS } from "../attribution/metric/names.ts";
import type { AttributionParts } from "../attribution/result/parts.ts";
import type { Attribution } from "../attribution/result/result.ts";
import { commandLine, requestArgs } from "../request/command.ts";
import type { RequestValues } from "../request/fields.ts";
import type { SaeRequest } from "../request/saes.ts";
import type { Sae } from "../sae/sae.ts";

/**
 * The `report` command that makes the same run, worked out from its result: with token ids, and with everything said
 * that was decided by default. Null where the metric is one that only a program can make.
 */
export function commandOf({ parts, tokens, hooks }: Attribution): string | null {
  const baseline = baselineOf(parts);
  const { model, metricName, method, grads, includeErrorTerm, saes } = parts;
  const { resolvedMetric, processing } = grads;
  const { positive = [], negative = [] } = resolvedMetric;
  const metric = METRIC_NAMES.find((name) => NAMED_METRICS[name].outputName === metricName);
  if (metric === undefined || hooks.length === 0 || baseline === null) return null;
  const [{ run: { excluded }, integration, directEffect }] = saes.values();
  const { rows, budget } = parts.exact ?? {};
  const limited = rows !== undefined || budget !== undefined; // however many a budget allowed
  const exactRows = [...saes.values()].reduce((sum, sae) => sum + sae.rows.filter(({ exact }) => exact).length, 0);
  const excludedIds = [...new Set([...excluded].map((position) => tokens[position].id))];
  const values: RequestValues = {
    tokenIds: tokens.map(({ id }) => id),
    metric,
    posId: positive,
    negId: negative,
    metricPosition: metricName === "loss" ? undefined : grads.rows,
    method,
    steps: integration?.steps,
    rows: limited ? exactRows : undefined,
    refine: parts.exact?.refine,
    curvature: parts.exact?.curvature,
    directEffect: directEffect !== undefined,
    baseline,
    model: model.name,
    ...processing,
    excludeSpecialTokens: excludedIds.length === 0 ? false : undefined,
    excludeTokenIds: excludedIds.length === 0 ? undefined : excludedIds,
    includeErrorTerm,
  };
  const asked = [...saes.values()].map(({ run: { sae } }) => saeRequest(sae));
  return commandLine(["report", ...requestArgs({ values, saes: asked }), "--output", "report.html"]);
}

/** Undefined: zero. Null: over prompts that only the caller knows. */
function baselineOf({ baseline }: AttributionParts): string | undefined | null {
  if (baseline === undefined) return undefined;
  if (baseline.name === "mean of prompts") return null;
  return baseline.tokens === undefined ? baseline.name : `ids:${baseline.tokens.join(",")}`;
}

function saeRequest({ source, hookIn, hookOut, config: { normScalingFactor } }: Sae): SaeRequest {
  return {
    source,
    hook: hookOut,
    ...(hookIn === hookOut ? {} : { hookIn }),
    ...(normScalingFactor === undefined ? {} : { normScalingFactor }),
  };
}
