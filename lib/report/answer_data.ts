/**
 * An answer as the report and the local page show it: its tokens' metrics added up, and each by itself.
 *
 * @module
 */
import type { AnswerAttribution, AnswerTarget } from "../attribution/answer/answer.ts";
import { answerTotal } from "../attribution/answer/answer_total.ts";
import { recurringFeatures } from "../attribution/answer/answer_totals.ts";
import type { Attribution } from "../attribution/result/result.ts";
import { metricData, metricTokens, reportData, saeData, short } from "./data.ts";
import type { ReportData, ReportDataOptions, ReportSae, ReportTarget } from "./report_data.ts";

/** Rows of all tokens of an answer together, per SAE, and the fewest of one. */
const [ROWS, FEWEST] = [20_000, 200];

/**
 * A run along an answer as the report and the local page show it. The model and the SAEs must still be open.
 *
 * @param total its tokens added up, where that is done already
 * @throws {RangeError} where activations are compared with a mean, which differs from token to token
 */
export async function answerReportData(
  answer: AnswerAttribution,
  options: ReportDataOptions = {},
  total?: Attribution,
): Promise<ReportData> {
  const { targets, hooks, promptLength } = answer;
  const whole = await reportData(total ?? await answerTotal(answer), options);
  const rows = Math.max(FEWEST, Math.floor((options.rows ?? ROWS) / targets.length));
  const labels = whole.saes.map((sae) => ({ ...sae.labels }));
  const shown: ReportTarget[] = [];
  for (const target of targets) {
    const saes: ReportSae[] = [];
    for (const hook of hooks) saes.push(await saeData(target.attribution, hook, { ...options, rows, cards: 0 }));
    saes.forEach((sae, i) => Object.assign(labels[i], sae.labels));
    shown.push({
      ...describeTarget(target),
      metric: metricData(target.attribution, await metricTokens(target.attribution)),
      saes: saes.map(({ rows, rowsLeftOut, decomposition, errorShare, words }) => ({
        rows,
        rowsLeftOut,
        decomposition,
        errorShare,
        words,
      })),
    });
  }
  return {
    ...whole,
    continuation: targets.map(({ prediction: { id, token, rank, logit, probability } }) => ({
      id,
      token,
      rank,
      logit: Number.isFinite(logit) ? short(logit) : null,
      probability,
      side: "positive",
    })),
    answer: {
      promptLength,
      targets: shown,
      recurring: hooks.map((hook) =>
        recurringFeatures(answer, hook).map((one) => ({ ...one, attribution: short(one.attribution) }))
      ),
    },
    saes: whole.saes.map((sae, i) => ({ ...sae, labels: labels[i] })),
  };
}

function describeTarget(
  { position, token, prediction }: AnswerTarget,
): Pick<ReportTarget, "position" | "id" | "text" | "special" | "rank" | "probability"> {
  const { id, text, isSpecial } = token;
  return { position, id, text, special: isSpecial, rank: prediction.rank, probability: prediction.probability };
}
