/**
 * The parts of a report's data: numbers rounded as in all other outputs, rows by column.
 *
 * @module
 */
import { NEURONPEDIA_ID } from "../attribution/long_table.ts";
import { type Prediction, predictionOf, predictionsAt } from "../attribution/predict.ts";
import type { Attribution } from "../attribution/result.ts";
import type { AttributionRow, SaeAttribution } from "../attribution/sae_attribution.ts";
import { featureCards } from "./cards.ts";
import type { ReportDataOptions, ReportPrediction, ReportRows, ReportSae } from "./data.ts";
import { addsUpWords, errorWords, fitWords } from "./words.ts";

const CARDS = 150;
const ROWS = 20_000;

/** The next-token table of a report. */
export async function predictionData(result: Attribution, count: number): Promise<ReportPrediction[]> {
  const { model, grads: { modelOutput, rows, resolvedMetric: { positive = [], negative = [] } } } = result.parts;
  const row = rows.length - 1;
  const known = result.predictions.length >= count;
  const top = known ? result.predictions.slice(0, count) : await predictionsAt(model, await modelOutput(), row, count);
  const others = [...positive, ...negative].filter((id, i, all) =>
    all.indexOf(id) === i && !top.some((prediction) => prediction.id === id)
  );
  const rest: Prediction[] = [];
  for (const id of others) rest.push(await predictionOf(model, await modelOutput(), row, id));
  return [...top, ...rest.sort((a, b) => a.rank - b.rank)].map(({ id, token, rank, logit, probability }) => ({
    id,
    token,
    rank,
    logit: finite(logit),
    probability,
    side: positive.includes(id) ? "positive" : negative.includes(id) ? "negative" : null,
  }));
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
    gradient: rows.map(({ gradient }) => short(gradient)),
    attribution: rows.map(({ attribution }) => short(attribution)),
  };
}

/** 9 digits, which any float32 survives, as in all other outputs. */
export const short = (x: number): number => Number(x.toPrecision(9));

/** A number for JSON. */
export const finite = (x: number): number | null => Number.isFinite(x) ? short(x) : null;
