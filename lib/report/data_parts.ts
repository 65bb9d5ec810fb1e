/**
 * The parts of a report's data: numbers rounded as in all other outputs, rows by column.
 *
 * @module
 */
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
import type { ReportData, ReportDataOptions, ReportPrediction, ReportRows, ReportSae } from "./report_data.ts";
import { addsUpWords, errorWords, fitWords } from "./words.ts";

const CARDS = 150;
const ROWS = 20_000;

/** The next-token tables of a report: after one position, and each token of a continuation in its place. */
export async function predictionData(
  result: Attribution,
  count: number,
): Promise<Pick<ReportData, "predictions" | "predictionsPosition" | "continuation">> {
  const { model, grads } = result.parts;
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
    words: { addsUp: addsUpWords(sae), fit: fitWords(sae.fit), error: errorWords(sae) },
    labels: Object.fromEntries(labelled.map((feature) => [feature, labels.get(feature)!])),
    cards,
    noLogits,
  };
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
    ...(rows[0]?.directEffect === undefined ? {} : { directEffect: rows.map((row) => short(row.directEffect!)) }),
  };
}

/** 9 digits, which any float32 survives, as in all other outputs. */
export const short = (x: number): number => Number(x.toPrecision(9));

/** A number for JSON. */
export const finite = (x: number): number | null => Number.isFinite(x) ? short(x) : null;
