/**
 * What the HTML report and the local page show: one plain JSON shape, made from an attribution.
 *
 * @module
 */
import { checkOptions, type OptionKinds } from "../options.ts";
import { showProcessing } from "../attribution/run/processing.ts";
import { VERSION } from "../version.ts";
import { changeCommandsOf, commandOf } from "./command.ts";
import type {
  NamedToken,
  ReportData,
  ReportDataOptions,
  ReportMetric,
  ReportPrediction,
  ReportRows,
  ReportSae,
} from "./report_data.ts";
import {
  addsUpWords,
  errorWords,
  fitWords,
  methodTitle,
  methodWords,
  metricWords,
  oddsWords,
  placeWords,
  tokenName,
} from "./words.ts";
import { NEURONPEDIA_ID } from "../attribution/result/long_table.ts";
import {
  continuationPredictions,
  type Prediction,
  predictionOf,
  predictionRow,
  predictionsAt,
} from "../attribution/run/predict.ts";
import type { Attribution } from "../attribution/result/result.ts";
import type { AttributionRow, SaeAttribution } from "../attribution/result/sae_attribution.ts";
import { featureCards } from "./cards.ts";

const REPORT_OPTIONS: OptionKinds<ReportDataOptions> = {
  explanations: "any",
  predictions: "count",
  command: "any",
  processing: "any",
  warnings: "any",
  words: "any",
  cards: "count",
  rows: "count",
};

const PREDICTIONS = 10;

/** A run as the report and the local page show it. The model and the SAEs must still be open. */
export async function reportData(result: Attribution, options: ReportDataOptions = {}): Promise<ReportData> {
  checkOptions("The report", options, REPORT_OPTIONS);
  const { model, grads, includeErrorTerm, method, baseline } = result.parts;
  const { words = (message: string) => message } = options;
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
      processing: words(options.processing ?? showProcessing(grads.processing)),
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
      words: allMethodWords(result),
      title: methodTitle(method, baseline !== undefined),
      hasBaseline: baseline !== undefined,
    },
    errorTerm: includeErrorTerm,
    saes,
    warnings: [...result.warnings, ...options.warnings ?? []].map((text) => words(text)),
    command: options.command ?? commandOf(result),
    changeCommands: changeCommandsOf(result),
    program: `sae-attribution ${VERSION}`,
  };
}

/** The method, with what is special about this program's own kernels here. (Of other devices a directory would be told.) */
function allMethodWords(result: Attribution): string {
  const { device, account } = result.parts.model.runtime;
  const method = methodWords(result).join(" ");
  return device === "wasm" && account !== undefined ? `${method} (${account})` : method;
}

export async function metricTokens(
  { parts: { model, grads: { resolvedMetric } } }: Attribution,
): Promise<NamedToken[]> {
  const { positive = [], negative = [] } = resolvedMetric;
  const tokens = await model.describeTokens([...new Set([...positive, ...negative])]);
  return tokens.map(({ id, text }) => ({ id, text }));
}

export function metricData(result: Attribution, tokens: readonly NamedToken[]): ReportMetric {
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

const CARDS = 150;
const ROWS = 20_000;

/** The next-token tables of a report: after one position, and each token of a continuation in its place. */
async function predictionData(
  result: Attribution,
  count: number,
): Promise<Pick<ReportData, "predictions" | "predictionsPosition" | "continuation">> {
  const { model, grads } = result.parts;
  if (count === 0) return { predictions: [], predictionsPosition: result.predictionsPosition, continuation: [] };
  const { modelOutput, appended, resolvedMetric: { positive: all = [], negative = [] } } = grads;
  const row = predictionRow(grads);
  const positive = appended === 0 ? all : all.slice(0, 1); // a continuation's other tokens come later
  const known = result.predictions.length >= count;
  const top = known ? result.predictions.slice(0, count) : await predictionsAt(model, await modelOutput(), row, count);
  const others = [...positive, ...negative].filter((id, i, all) =>
    all.indexOf(id) === i && !top.some((prediction) => prediction.id === id)
  );
  const rest: Prediction[] = [];
  for (const id of others) rest.push(await predictionOf(model, await modelOutput(), row, id));
  const shown = ({ id, token, rank, logit, probability }: Prediction): ReportPrediction => ({
    id,
    token,
    rank,
    logit: finite(logit),
    probability,
    side: positive.includes(id) ? "positive" : negative.includes(id) ? "negative" : null,
  });
  const continuation = await continuationPredictions(model, grads);
  return {
    predictions: [...top, ...rest.sort((a, b) => a.rank - b.rank)].map(shown),
    predictionsPosition: result.predictionsPosition,
    continuation: continuation.map((one) => ({ ...shown(one), side: "positive" })),
  };
}

/** One SAE of a report. */
export async function saeData(result: Attribution, hook: string, options: ReportDataOptions): Promise<ReportSae> {
  const sae = result.parts.saes.get(hook)!;
  const { hookIn, source, config: { architecture, dSae, neuronpediaId } } = sae.run.sae;
  const { features, bias, error, total } = sae.decomposition;
  const rows = largestRows(sae, options.rows ?? ROWS);
  const labels = options.explanations?.get(hook) ?? await sae.run.sae.labels();
  const { cards, noLogits } = await featureCards(result, hook, options.cards ?? CARDS);
  const labelled = [...new Set(rows.map(({ feature }) => feature))].filter((feature) => labels.has(feature));
  return {
    hook,
    hookIn,
    source,
    architecture,
    dSae,
    neuronpediaId: neuronpediaId !== undefined && NEURONPEDIA_ID.test(neuronpediaId) ? neuronpediaId : null,
    rows: columns(rows),
    rowsLeftOut: sae.rows.length - rows.length,
    decomposition: {
      features: features.map(short),
      bias: bias.map(short),
      error: error.map(short),
      total: total.map(short),
    },
    errorShare: sae.errorShare.map(short),
    activeFeatures: sae.fit.l0,
    words: { addsUp: addsUpWords(sae, result.parts.method), fit: fitWords(sae.fit), error: errorWords(sae) },
    labels: Object.fromEntries(labelled.map((feature) => [feature, labels.get(feature)!])),
    cards,
    noLogits,
  };
}

/** A report that was made of a result without cards, with those of its `most` strongest features per SAE. */
export async function withCards(data: ReportData, result: Attribution, most: number): Promise<ReportData> {
  const saes: ReportSae[] = [];
  for (const sae of data.saes) saes.push({ ...sae, ...await featureCards(result, sae.hook, most) });
  return { ...data, saes };
}

/** The rows with the largest |attribution|, in their order. */
function largestRows({ rows }: SaeAttribution, most: number): readonly AttributionRow[] {
  if (rows.length <= most) return rows;
  const sizes = Float32Array.from(rows, ({ attribution }) => Math.abs(attribution)).sort();
  const least = sizes[sizes.length - most];
  return rows.filter(({ attribution }) => Math.abs(attribution) >= least).slice(0, most);
}

function columns(rows: readonly AttributionRow[]): ReportRows {
  return {
    position: rows.map(({ position }) => position),
    feature: rows.map(({ feature }) => feature),
    activation: rows.map(({ activation }) => short(activation)),
    ...(rows[0]?.baseline === undefined ? {} : { baseline: rows.map(({ baseline }) => short(baseline!)) }),
    gradient: rows.map(({ gradient }) => short(gradient)),
    attribution: rows.map(({ attribution }) => short(attribution)),
    ...(rows.some(({ exact }) => exact) ? { exact: rows.map(({ exact = false }) => exact) } : {}),
    ...(rows.some(({ curvature }) => curvature !== undefined)
      ? { curvature: rows.map((row) => orNull(row.curvature)), secondOrder: rows.map((row) => orNull(row.secondOrder)) }
      : {}),
    ...(rows[0]?.directEffect === undefined ? {} : { directEffect: rows.map((row) => short(row.directEffect!)) }),
  };
}

/** 9 digits, which any float32 survives, as in all other outputs. */
export const short = (x: number): number => Number(x.toPrecision(9));

const orNull = (x: number | undefined): number | null => x === undefined ? null : short(x);

/** A number for JSON. */
export const finite = (x: number): number | null => Number.isFinite(x) ? short(x) : null;
