/**
 * The summary of an answer for people: what speaks for each of its tokens, for all of them, and what recurs.
 *
 * @module
 */
import type { AnswerAttribution, AnswerTarget } from "../../attribution/answer/answer.ts";
import { answerMetricSum, answerPositionSums, recurringFeatures } from "../../attribution/answer/answer_totals.ts";
import type { AttributionRow } from "../../attribution/result/sae_attribution.ts";
import type { Token } from "../../model/model.ts";
import { count, percent, signed } from "../../report/figures.ts";
import { methodTitle, methodWords, processingWords, promptWords, tokenAt, tokenName } from "../../report/words.ts";
import { cutToWidth, displayWidth, printable } from "../../table/terminal.ts";
import { inFlags } from "../args/command.ts";
import type { AttributeRequest } from "../commands/explain/attribute.ts";
import type { FoundExplanations } from "../files/explanations.ts";
import { bars, entry, heading, labelledBars, type Page, saeEntry, warningEntries } from "./summary_layout.ts";

/** So many features for each token, positions and recurring features are shown. */
const [STRONGEST, POSITIONS, RECURRING] = [3, 8, 8];

/** The whole summary, ending with a newline. */
export function answerReport(
  answer: AnswerAttribution,
  request: AttributeRequest,
  { explanations, warnings }: FoundExplanations,
  page: Page,
): string {
  const { targets, hooks, tokens, promptLength } = answer;
  const { attribution: last } = targets[targets.length - 1];
  const { method, baseline, model } = last.parts;
  const place = (hook: string): string => hooks.length > 1 ? `, at ${printable(hook)}` : "";
  const blocks = [
    heading(printable(model.description), page),
    [
      entry("Prompt", promptWords(tokens.slice(0, promptLength)), page),
      entry("Answer", targets.map(answerWords), page),
      entry("Metric", metricLine(answer).split(" "), page),
      ...hooks.map((hook) => saeEntry(last.sae(hook).source, hook, page)),
    ].join("\n"),
    ...hooks.flatMap((hook) => [
      heading(
        `What speaks for each token (+) and against it (-)${place(hook)}: ${methodTitle(method, !!baseline)}`,
        page,
      ) +
      "\n" + targets.map((target) => targetLine(target, hook, tokens, page)).join("\n"),
      positionBlock(answer, hook, place(hook), page),
      ...recurringBlock(answer, hook, explanations.get(hook), place(hook), page),
    ]),
    [
      entry("Method", methodWords(last), page),
      entry("Processing", inFlags(processingWords(last, request)).split(" "), page),
      entry("Time", [`${(answer.milliseconds / 1000).toFixed(2)} s`, `for ${count(targets.length, "token")}`], page),
      ...warningEntries([...answer.warnings, ...warnings], page),
    ].join("\n"),
  ];
  return blocks.join("\n\n") + "\n";
}

function answerWords({ token, prediction }: AnswerTarget): string {
  const rank = prediction.rank === 0 ? "" : ` (rank ${prediction.rank})`;
  return `${tokenName(token)} ${percent(prediction.probability)}${rank}  `;
}

function metricLine(answer: AnswerAttribution): string {
  const { metric, targets } = answer;
  const sum = answerMetricSum(answer);
  switch (metric) {
    case "logprob":
      return `log-probability of each token after the text before it; together ${signed(sum)}, a probability of ` +
        `${percent(Math.exp(sum))}, or ${percent(Math.exp(sum / targets.length))} a token`;
    case "logit-diff":
      return `logit of each token minus that of the strongest other one; together ${signed(sum)}`;
    case "logit":
      return `logit of each token above the vocabulary's mean; together ${signed(sum)}`;
    case "prob":
      return `probability of each token after the text before it; together ${signed(sum)}`;
  }
}

/** `·golf (7)   +0.22 feature 189 at ·of (6)   …` */
function targetLine(
  { position, token, attribution }: AnswerTarget,
  hook: string,
  tokens: readonly Token[],
  page: Page,
): string {
  const name = `  ${tokenName(token)} (${position})`;
  const rows = strongest(attribution.rows(hook));
  const largest = Math.max(...rows.map((row) => Math.abs(row.attribution)), 0);
  const words = rows.map((row) =>
    `${signed(row.attribution, largest)} feature ${row.feature} at ${tokenAt(tokens, row.position)}`
  );
  const gap = " ".repeat(Math.max(2, 18 - displayWidth(name)));
  return cutToWidth(name + gap + (words.length === 0 ? "no feature is active" : words.join("   ")), page.width);
}

function strongest(rows: readonly AttributionRow[]): AttributionRow[] {
  return rows.toSorted((a, b) => Math.abs(b.attribution) - Math.abs(a.attribution)).slice(0, STRONGEST);
}

function positionBlock(answer: AnswerAttribution, hook: string, place: string, page: Page): string {
  const sums = answerPositionSums(answer, hook).slice(0, -1); // nothing follows the last token
  const all = [...sums.keys()];
  const largest = all.toSorted((a, b) => Math.abs(sums[b]) - Math.abs(sums[a]) || a - b).slice(0, POSITIONS);
  const items = largest.sort((a, b) => a - b).map((position) => {
    const part = position < answer.promptLength ? "" : "  of the answer";
    return { value: sums[position], text: `${tokenAt(answer.tokens, position)}${part}` };
  });
  const which = all.length > POSITIONS ? ` (the ${POSITIONS} largest of ${all.length})` : "";
  return `${heading(`All features and tokens of the answer together, by position${place}${which}`, page)}\n${
    bars(items, page)
  }`;
}

function recurringBlock(
  answer: AnswerAttribution,
  hook: string,
  labels: ReadonlyMap<number, string> | undefined,
  place: string,
  page: Page,
): string[] {
  const found = recurringFeatures(answer, hook).slice(0, RECURRING);
  if (found.length === 0) return [];
  const items = found.map(({ feature, targets, attribution }) => ({
    value: attribution,
    text: `feature ${feature} for ${count(targets.length, "token")}`,
    label: labels?.get(feature),
  }));
  return [
    `${heading(`Features that recur among the ten strongest of a token${place}`, page)}\n${labelledBars(items, page)}`,
  ];
}
