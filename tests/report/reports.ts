/** Results and data that the tests of the report share. */
import {
  type Attribution,
  calculateAnswerAttribution,
  calculateFeatureAttribution,
  loadModel,
  loadSae,
  logitDiff,
} from "../../mod.ts";
import { answerReportData } from "../../lib/report/answer_data.ts";
import { reportData } from "../../lib/report/data.ts";
import type { ReportData } from "../../lib/report/report_data.ts";

export const PROMPT = " Tiger Woods plays the sport of";
export const TINY_SAES = ["blocks.2.hook_resid_pre", "blocks.3.hook_resid_pre", "blocks.2.hook_mlp_out"].map((hook) =>
  `tiny-facts/${hook}`
);

/** Does something with an attribution on the bundled model while everything is open. */
export async function withTinyFacts<T>(
  saes: readonly string[],
  use: (result: Attribution) => Promise<T>,
  prompt: string = PROMPT,
): Promise<T> {
  await using stack = new AsyncDisposableStack();
  const model = stack.use(await loadModel("tiny-facts", { threads: 1 }));
  const opened = [];
  for (const name of saes) opened.push(stack.use(await loadSae(name)));
  return await use(await calculateFeatureAttribution(model, prompt, logitDiff(" golf", " tennis"), { saes: opened }));
}

/** The data of a short report. */
export function tinyData(cards = 10): Promise<ReportData> {
  return withTinyFacts(["tiny-facts/blocks.3.hook_resid_pre"], (result) => reportData(result, { cards }));
}

/** The data of a report of an answer. */
export async function answerData(cards = 10): Promise<ReportData> {
  await using model = await loadModel("tiny-facts", { threads: 1 });
  await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
  await using transcoder = await loadSae("tiny-facts/blocks.2.hook_mlp_out");
  const prompt = " Tiger Woods plays the sport of golf. Roger Federer plays";
  const answer = await calculateAnswerAttribution(model, prompt, " the sport of tennis. Babe", {
    saes: [sae, transcoder],
  });
  return await answerReportData(answer, { cards });
}

/** Markup that must stay text wherever it is put. */
export const HOSTILE = `</script><img src="http://127.0.0.1:1/x.png" onerror="globalThis.pwned = 1"><b>"'&\u2028\u202e`;

/** The same data with every free text replaced. */
export function hostileData(data: ReportData): ReportData {
  const named = <T extends { text: string }>(tokens: readonly T[]): T[] => tokens.map((t) => ({ ...t, text: HOSTILE }));
  return {
    ...data,
    model: { ...data.model, name: HOSTILE, description: HOSTILE, processing: HOSTILE, revision: HOSTILE },
    tokens: named(data.tokens),
    metric: {
      ...data.metric,
      words: HOSTILE,
      positive: HOSTILE,
      negative: HOSTILE,
      place: HOSTILE,
      odds: HOSTILE,
      positiveTokens: named(data.metric.positiveTokens),
      negativeTokens: named(data.metric.negativeTokens),
    },
    predictions: data.predictions.map((prediction) => ({ ...prediction, token: HOSTILE })),
    continuation: data.predictions.map((prediction) => ({ ...prediction, token: HOSTILE })),
    ...(data.answer === undefined ? {} : {
      answer: {
        ...data.answer,
        targets: named(data.answer.targets).map((target) => ({
          ...target,
          metric: { ...target.metric, words: HOSTILE, positive: HOSTILE, negative: HOSTILE },
        })),
      },
    }),
    warnings: [HOSTILE],
    command: HOSTILE,
    program: HOSTILE,
    saes: data.saes.map((sae) => ({
      ...sae,
      hook: HOSTILE,
      source: HOSTILE,
      architecture: HOSTILE,
      neuronpediaId: 'a/.."><img src=x>',
      words: { addsUp: HOSTILE, fit: HOSTILE, error: HOSTILE },
      labels: Object.fromEntries(Object.keys(sae.labels).map((feature) => [feature, HOSTILE])),
      cards: Object.fromEntries(
        Object.entries(sae.cards).map(([feature, card]) => [feature, {
          ...card,
          raised: card.raised?.map(([, logit]) => [HOSTILE, logit] as const),
          lowered: card.lowered?.map(([, logit]) => [HOSTILE, logit] as const),
          contexts: card.contexts?.map((context) => ({ ...context, tokens: context.tokens.map(() => HOSTILE) })),
        }]),
      ),
    })),
  };
}

/** A large report: 64 tokens, 3,000 rows, 150 cards; every number has all its digits, every card everything. */
export function largeData(data: ReportData): ReportData {
  const [sae] = data.saes;
  const [card] = Object.values(sae.cards);
  let seed = 7;
  const random = (): number => (seed = seed * 48271 % 2147483647) / 2147483647;
  const rows = Array.from({ length: 3000 }, (_, i) => ({
    position: i % 64,
    feature: Math.floor(random() * 24_576),
    activation: Number((20 * random()).toPrecision(9)),
    gradient: Number((random() - 0.5).toPrecision(9)),
  })).map((row) => ({ ...row, attribution: Number((row.activation * row.gradient).toPrecision(9)) }))
    .sort((a, b) => b.attribution - a.attribution);
  const perPosition = Array.from({ length: 64 }, () => Number((random() - 0.4).toPrecision(9)));
  const features = [...new Set(rows.map(({ feature }) => feature))];
  return {
    ...data,
    tokens: Array.from({ length: 64 }, (_, id) => ({ ...data.tokens[1 + id % (data.tokens.length - 1)], id })),
    saes: [{
      ...sae,
      dSae: 24_576,
      rows: {
        position: rows.map(({ position }) => position),
        feature: rows.map(({ feature }) => feature),
        activation: rows.map(({ activation }) => activation),
        gradient: rows.map(({ gradient }) => gradient),
        attribution: rows.map(({ attribution }) => attribution),
      },
      decomposition: { features: perPosition, bias: perPosition, error: perPosition, total: perPosition },
      errorShare: perPosition.map(Math.abs),
      activeFeatures: perPosition.map(() => 47),
      labels: Object.fromEntries(features.map((feature) => [feature, `mentions of something, number ${feature}`])),
      cards: Object.fromEntries(features.slice(0, 150).map((feature) => [feature, card])),
    }],
  };
}
