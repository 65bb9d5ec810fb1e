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
import type { ReportChangeCommands } from "./report_data.ts";

/**
 * The `report` command that makes the same run, worked out from its result: with token ids, and with everything said
 * that was decided by default. Null where the metric is one that only a program can make.
 */
export function commandOf(result: Attribution): string | null {
  const { parts } = result;
  const baseline = baselineOf(parts);
  const asked = questionOf(result);
  if (asked === null || baseline === null) return null;
  const [{ integration, directEffect }] = parts.saes.values();
  const { rows, budget } = parts.exact ?? {};
  const limited = rows !== undefined || budget !== undefined; // however many a budget allowed
  const exactRows = [...parts.saes.values()].reduce(
    (sum, sae) => sum + sae.rows.filter(({ exact }) => exact).length,
    0,
  );
  const how: RequestValues = {
    method: parts.method,
    steps: integration?.steps,
    rows: limited ? exactRows : undefined,
    refine: parts.exact?.refine,
    curvature: parts.exact?.curvature,
    directEffect: directEffect !== undefined,
    baseline,
  };
  const args = requestArgs({ values: { ...asked.explained, ...how, ...asked.run }, saes: asked.saes });
  return commandLine(["report", ...args, "--output", "report.html"]);
}

/** The commands that ask on: `steer`, to which what is to be changed is added, and `select`. Null as above. */
export function changeCommandsOf(result: Attribution): ReportChangeCommands | null {
  const asked = questionOf(result);
  if (asked === null) return null;
  const args = requestArgs({ values: { ...asked.explained, ...asked.run }, saes: asked.saes });
  return { steer: commandLine(["steer", ...args]), select: commandLine(["select", ...args]) };
}

/** What a run was about, said in fields; null where the metric is one that only a program can make. */
function questionOf(
  { parts, tokens, hooks }: Attribution,
): { explained: RequestValues; run: RequestValues; saes: SaeRequest[] } | null {
  const { model, metricName, grads, includeErrorTerm, saes } = parts;
  const { resolvedMetric, processing } = grads;
  const { positive = [], negative = [] } = resolvedMetric;
  const metric = METRIC_NAMES.find((name) => NAMED_METRICS[name].outputName === metricName);
  if (metric === undefined || hooks.length === 0) return null;
  const [{ run: { excluded } }] = saes.values();
  const excludedIds = [...new Set([...excluded].map((position) => tokens[position].id))];
  return {
    explained: {
      tokenIds: tokens.map(({ id }) => id),
      metric,
      posId: positive,
      negId: negative,
      metricPosition: metricName === "loss" ? undefined : grads.rows,
    },
    run: {
      model: model.name,
      ...processing,
      excludeSpecialTokens: excludedIds.length === 0 ? false : undefined,
      excludeTokenIds: excludedIds.length === 0 ? undefined : excludedIds,
      includeErrorTerm,
    },
    saes: [...saes.values()].map(({ run: { sae } }) => saeRequest(sae)),
  };
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
