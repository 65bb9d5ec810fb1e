/**
 * What the HTML report and the local page show: one plain JSON shape, made from an attribution.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../options.ts";
import type { Attribution } from "../attribution/result/result.ts";
import { showProcessing } from "../attribution/run/processing.ts";
import { VERSION } from "../version.ts";
import { commandOf } from "./command.ts";
import { finite, predictionData, saeData } from "./data_parts.ts";
import type { NamedToken, ReportData, ReportDataOptions, ReportMetric, ReportSae } from "./report_data.ts";
import { methodTitle, methodWords, metricWords, oddsWords, placeWords, tokenName } from "./words.ts";

const REPORT_OPTIONS: OptionKinds<ReportDataOptions> = {
  explanations: "any",
  predictions: "count",
  command: "any",
  processing: "any",
  warnings: "any",
  cards: "count",
  rows: "count",
};

const PREDICTIONS = 10;

/**
 * A run as the report and the local page show it. The model and the SAEs must still be open.
 *
 * @example
 * ```ts
 * import { calculateFeatureAttribution } from "../attribution/attribution.ts";
 * import { logitDiff } from "../attribution/metric/metrics.ts";
 * import { loadModel } from "../model/model.ts";
 * import { loadSae } from "../sae/load.ts";
 * import { reportData } from "./data.ts";
 *
 * await using model = await loadModel("tiny-facts", { threads: 1 });
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const metric = logitDiff(" golf", " tennis");
 * const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", metric, { saes: [sae] });
 * const data = await reportData(result, { cards: 3 });
 * console.assert(data.saes[0].rows.attribution.length === result.rows(sae.hookOut).length);
 * ```
 */
export async function reportData(result: Attribution, options: ReportDataOptions = {}): Promise<ReportData> {
  checkOptions("The report", options, REPORT_OPTIONS);
  const { model, grads, includeErrorTerm, method, baseline } = result.parts;
  const names = await metricTokens(result);
  const saes: ReportSae[] = [];
  for (const hook of result.hooks) saes.push(await saeData(result, hook, options));
  const [first] = result.parts.saes.values();
  return {
    version: 1,
    model: {
      name: model.name,
      description: model.description,
      family: model.architecture.family,
      revision: model.revision,
      processing: options.processing ?? showProcessing(grads.processing),
    },
    tokens: result.tokens.map(({ id, text, isSpecial }, position) => ({
      id,
      text,
      special: isSpecial,
      excluded: first?.run.excluded.has(position) ?? false,
    })),
    metric: metricData(result, names),
    ...await predictionData(result, options.predictions ?? PREDICTIONS),
    method: {
      words: methodWords(result).join(" "),
      title: methodTitle(method, baseline !== undefined),
      hasBaseline: baseline !== undefined,
    },
    errorTerm: includeErrorTerm,
    saes,
    warnings: [...result.warnings, ...options.warnings ?? []],
    command: options.command ?? commandOf(result),
    program: `sae-attribution ${VERSION}`,
  };
}

async function metricTokens({ parts: { model, grads: { resolvedMetric } } }: Attribution): Promise<NamedToken[]> {
  const { positive = [], negative = [] } = resolvedMetric;
  const tokens = await model.describeTokens([...new Set([...positive, ...negative])]);
  return tokens.map(({ id, text }) => ({ id, text }));
}

function metricData(result: Attribution, tokens: readonly NamedToken[]): ReportMetric {
  const { metricName, grads: { rows, resolvedMetric: { formula, positive = [], negative = [] } } } = result.parts;
  const names = new Map(tokens.map((token) => [token.id, tokenName(token)]));
  const { name: words, ...sides } = metricWords(result, names);
  const named = (ids: readonly number[]): NamedToken[] => ids.map((id) => tokens.find((token) => token.id === id)!);
  return {
    name: metricName,
    words,
    ...sides,
    place: placeWords(result),
    formula,
    value: finite(result.metric),
    odds: oddsWords(result, names) ?? null,
    positions: rows,
    positiveTokens: named(positive),
    negativeTokens: named(negative),
  };
}
