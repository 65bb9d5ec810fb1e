/**
 * What `steer` does once its command line is understood.
 *
 * @module
 */
import type { Explanations } from "../../../attribution/result/long_table.ts";
import { partText } from "../../../attribution/positions.ts";
import { type Prediction, predictionOf } from "../../../attribution/run/predict.ts";
import { answerWarnings, promptWarnings } from "../../../attribution/run/prompt_warnings.ts";
import { runOptionsOf } from "../../../attribution/run/run_options.ts";
import { steer, type Steered, type SteeredPrediction, steeredPredictions } from "../../../attribution/change/steer.ts";
import type { SteeredActivation } from "../../../attribution/change/interventions.ts";
import type { SteeringVector } from "../../../attribution/change/steering_vector.ts";
import type { Model } from "../../../model/model.ts";
import type { Table } from "../../../table/table.ts";
import { printable } from "../../../table/terminal.ts";
import { placeIn, written } from "../../../request/chat.ts";
import { findExplanations } from "../../files/explanations.ts";
import { chosenMetric } from "../../../attribution/metric/metrics.ts";
import { openShown } from "../../open.ts";
import { printNote, stderrScreen } from "../../screen/output.ts";
import { withProgress } from "../../screen/progress.ts";
import { readPrompt } from "../../args/prompt.ts";
import { count, percent, plain, signed } from "../../../report/figures.ts";
import { detail, entry, heading, type Page, warningEntries } from "../../screen/summary_layout.ts";
import { promptWords, tokenName } from "../../../report/words.ts";
import type { Asked, SteerRequest, VectorRequest } from "../../commands/change/steer.ts";
import { placed } from "./placed.ts";
import { writeTable } from "../../screen/write_table.ts";

/** Next tokens in the summary for people. */
const TOKENS_SHOWN = 5;
/** Changed activations in it. */
const CHANGES_SHOWN = 8;

/** Steers and writes what was asked for. */
export async function steerAndWrite(request: SteerRequest): Promise<void> {
  const vectors = await readVectors(request.vectors);
  if (request.text !== undefined) {
    const { steerTextAndWrite } = await import(
      new URL("./steer_text.ts", import.meta.url).href
    ) as typeof import("./steer_text.ts");
    return await steerTextAndWrite(request, request.text, vectors);
  }
  const { metric, top, quiet, destination, downstreamError } = request;
  const prompt = await readPrompt(request.prompt);
  const screen = stderrScreen(quiet);
  await using opened = await openShown(request, screen);
  const { model, saes } = opened;
  const { explanations, warnings } = await findExplanations(saes, opened.requests);
  const chat = await written(model, prompt, request.chat);
  const asked = chat.prompt;
  const position = placeIn(chat, request.position);
  const result = await withProgress(
    screen,
    "steering",
    () =>
      steer(model, asked, placed(chat, [...request.interventions, ...vectors]), {
        ...runOptionsOf(request),
        ...{ saes, position, downstreamError, metric: metric && chosenMetric(metric) },
      }),
  );
  const predictions = await steeredPredictions(model, result, Math.max(top, TOKENS_SHOWN));
  if (!quiet) {
    const odd = await oddities(model, asked, result);
    const lines = [
      heading(printable(model.description), screen) + "\n",
      entry("Prompt", promptWords(result.tokens), screen),
      ...(request.interventions.length > 0 ? changedLines(result, explanations, saes.length > 1, screen) : []),
      ...addedLines(request, screen),
      ...nextTokenLines(result, predictions, screen),
      ...metricLines(result, screen),
      ...warningEntries([...odd, ...warnings], screen),
    ];
    await printNote(lines.join("\n") + "\n\n");
  }
  await writeTable(predictionTable(predictions, top), destination, "probability_difference");
}

/** Vectors that are to be added, before anything is opened. */
async function readVectors(requests: readonly VectorRequest[]): Promise<Asked<SteeringVector>[]> {
  if (requests.length === 0) return [];
  const { loadSteeringVector } = await import(
    new URL("../../../attribution/change/load_vector.ts", import.meta.url).href
  ) as typeof import("../../../attribution/change/load_vector.ts");
  const vectors: Asked<SteeringVector>[] = [];
  for (const { file, tensor, ...one } of requests) {
    vectors.push({ ...one, vector: await loadSteeringVector(file, tensor) });
  }
  return vectors;
}

/** What the prompt or the metric's answers have that may not have been meant. */
async function oddities(
  model: Model,
  prompt: string | readonly number[],
  { tokens, position, before: logits, metric }: Steered,
): Promise<string[]> {
  const warnings = await promptWarnings(model, prompt, tokens.map(({ id }) => id));
  const { text: before } = tokens[position];
  const place = (id: number): Promise<Prediction> => predictionOf(model, logits, 0, id);
  for (const text of metric?.resolved.answers ?? []) {
    warnings.push(...await answerWarnings(model, { text, before, place }));
  }
  return warnings;
}

/** Next tokens that are among the first before or after. */
function predictionTable(predictions: readonly SteeredPrediction[], top: number): Table {
  const rows = predictions.filter(({ rank }) => Math.min(rank.before, rank.after) < top);
  return {
    columns: [
      "token",
      "id",
      "rank_before",
      "rank_after",
      "logit_before",
      "logit_after",
      "logit_difference",
      "probability_before",
      "probability_after",
      "probability_difference",
    ],
    rows: rows.map(({ token, id, rank, logit, probability }) => [
      token,
      id,
      rank.before,
      rank.after,
      logit.before,
      logit.after,
      Math.fround(logit.after - logit.before),
      Math.fround(probability.before),
      Math.fround(probability.after),
      Math.fround(probability.after - probability.before),
    ]),
  };
}

function changedLines(
  { changes, tokens }: Steered,
  explanations: Explanations,
  areSeveral: boolean,
  page: Page,
): string[] {
  const words = ({ hook, position, feature, before, after }: SteeredActivation): string => {
    const label = explanations.get(hook)?.get(feature);
    const { [position]: token } = tokens; // of a continuation that the metric adds there is none
    const at = token === undefined ? `position ${position}, in the continuation` : `${tokenName(token)} (${position})`;
    return `feature ${feature} at ${at}` +
      `${areSeveral ? ` of ${printable(hook)}` : ""}: ${plain(before)} → ${plain(after)}` +
      (label === undefined ? "" : `  ${printable(label)}`);
  };
  const changed = changes.filter(({ before, after }) => before !== after);
  const shown = changed.slice(0, CHANGES_SHOWN);
  const [left, same] = [changed.length - shown.length, changes.length - changed.length];
  return [
    ...shown.map((change, i) =>
      i === 0 ? entry("Changed", words(change).split(" "), page) : detail(words(change), page)
    ),
    ...(left > 0 ? [detail(`and ${count(left, "more activation")}`, page)] : []),
    ...(same > 0 && changed.length > 0 ? [detail(`${count(same, "activation")} had that value before`, page)] : []),
    ...(changed.length === 0
      ? [entry("Changed", "nothing: every activation had that value before".split(" "), page)]
      : []),
  ];
}

function addedLines({ vectors }: SteerRequest, page: Page): string[] {
  return vectors.map(({ file, tensor, hook, position, strength, relative }, i) => {
    const where = typeof position !== "string"
      ? `position ${partText(position)}`
      : `all positions${position === "prompt" ? " of the prompt" : ""}`;
    const words = `${plain(strength)} × ${printable(tensor === undefined ? file : `${file}:${tensor}`)} at ` +
      `${printable(hook)}, ${where}${relative ? ", times the value's norm" : ""}`;
    return i === 0 ? entry("Added", words.split(" "), page) : detail(words, page);
  });
}

function nextTokenLines(
  { tokens, position }: Steered,
  predictions: readonly SteeredPrediction[],
  page: Page,
): string[] {
  const after = position === tokens.length - 1 ? [] : [`after ${tokenName(tokens[position])} (position ${position})`];
  return (["before", "after"] as const).map((when) => {
    const first = predictions.toSorted((a, b) => a.rank[when] - b.rank[when]).slice(0, TOKENS_SHOWN);
    const words = first.map(({ id, token, probability }) =>
      `${tokenName({ id, text: token })} ${percent(probability[when])}  `
    );
    return entry(when === "before" ? "Before" : "After", [...words, ...after], page);
  });
}

function metricLines({ metric }: Steered, page: Page): string[] {
  if (metric === undefined) return [];
  const { before, after, resolved: { formula } } = metric;
  const words = `${signed(before)} before, ${signed(after)} after: ${signed(after - before)}`;
  return [entry("Metric", words.split(" "), page), detail(formula, page)];
}
