/**
 * The summary of an attribution for people: first what a newcomer asks, then what an expert checks.
 *
 * @module
 */
import { inFlags } from "../args/command.ts";
import type { Prediction } from "../../attribution/run/predict.ts";
import { count, percent, plain, signed } from "../../report/figures.ts";
import { type Checks, excludedPositions, trackedHooks } from "../files/exports.ts";
import { accounts, perPosition, quickList, strongest } from "./summary_sae.ts";
import { checkLines, verifyLines } from "./summary_checks.ts";
import {
  directionWords,
  excludedWords,
  methodWords,
  metricWords,
  oddsWords,
  placeWords,
  processingWords,
  promptWords,
  tokenName,
} from "../../report/words.ts";
import type { AttributeRequest } from "../commands/explain/attribute.ts";
import type { FoundExplanations } from "../files/explanations.ts";
import type { Screen } from "./output.ts";
import type { Attribution } from "../../attribution/result/result.ts";
import { printable } from "../../table/terminal.ts";
import type { PromptRequest } from "../args/run_request.ts";
import { detail, entry, heading, type Page, saeEntry, warningEntries } from "./summary_layout.ts";

/** What is reported. */
export interface ReportInput extends Checks {
  readonly result: Attribution;
  readonly request: Pick<AttributeRequest, "metric" | "processing" | "processingFlags">;
  /** By hook, what its features stand for. */
  readonly labels: ReadonlyMap<string, ReadonlyMap<number, string>>;
  /** Names of the metric's tokens by id. */
  readonly tokenNames: ReadonlyMap<number, string>;
  readonly warnings: readonly string[];
  /** Since the program started. */
  readonly seconds: number;
}

/** The whole summary, ending with a newline. */
export function attributionReport(input: ReportInput, page: Page): string {
  const { result } = input;
  const saes = [...result.parts.saes];
  const metric = metricWords(result, input.tokenNames);
  const direction = directionWords(metric);
  const blocks = [
    heading(printable(result.parts.model.description), page),
    [...head(input, page), ...saes.map(([hook]) => saeLine(result, hook, page)), ...replaced(result, page)].join("\n"),
    ...saes.flatMap(([hook, sae]) => {
      const place = saes.length > 1 ? `, at ${printable(hook)}` : "";
      return [
        strongest(result, sae, input.labels.get(hook), `What speaks ${direction}${place}`, page),
        perPosition(result, sae, `All features together, by position${place}`, page),
      ];
    }),
    [
      entry("Method", methodWords(result), page),
      ...baselineMetric(result, page),
      entry("Processing", inFlags(processingWords(result, input.request)).split(" "), page),
      ...excludedLines(result, page),
      ...saes.flatMap(([hook, sae]) =>
        accounts(sae, result.parts.method, saes.length > 1 ? printable(hook) : undefined, page)
      ),
      ...trackedLines(result, page),
      ...checkLines(input.check, page),
      ...verifyLines(input.verify, result.tokens, page),
      ...deviceLines(result, page),
      foot(input, page),
      ...warningEntries(input.warnings, page),
      ...saes.flatMap(([hook, sae]) => quickList(result.sae(hook), sae, metric.name)),
    ].join("\n"),
  ];
  return blocks.join("\n\n") + "\n";
}

function head({ result, request, tokenNames }: ReportInput, page: Page): string[] {
  const { tokens, predictions, continuation, predictionsPosition: row, parts: { grads } } = result;
  const after = `after ${tokenName(tokens[row])} (position ${row})`;
  const said = predictions.map(predictionWords);
  const told = continuation.map((p, i) =>
    `${predictionWords(p)}(rank ${p.rank}${i === 0 ? ", 0 is the most probable" : ""})  `
  );
  const odds = oddsWords(result, tokenNames);
  return [
    promptEntry(result, page),
    ...(said.length === 0 ? [] : [entry("Next token", [...said, row === tokens.length - 1 ? "" : after], page)]),
    ...(told.length === 0 ? [] : [entry("Answer", told, page)]),
    metricEntry(result, tokenNames, page),
    ...(odds === undefined ? [] : [detail(odds, page)]),
    detail(`${grads.resolvedMetric.formula}; ${request.metric.chosenFrom}`, page),
  ];
}

function promptEntry({ tokens, parts: { grads: { appended } } }: Attribution, page: Page): string {
  return entry("Prompt", promptWords(tokens.slice(0, tokens.length - appended)), page);
}

function metricEntry(result: Attribution, tokenNames: ReadonlyMap<number, string>, page: Page): string {
  const words = `${metricWords(result, tokenNames).name} ${placeWords(result)} = ${signed(result.metric)}`;
  return entry("Metric", words.split(" "), page);
}

function predictionWords({ id, token, probability }: Prediction): string {
  return `${tokenName({ id, text: token })} ${percent(probability)}  `;
}

function saeLine(result: Attribution, hook: string, page: Page): string {
  const { config: { architecture, dSae }, source, hookIn, hooksOut } = result.sae(hook);
  const { l0 } = result.fit[hook];
  const reads = hookIn === hook ? "" : `reads ${hookIn}, `;
  const also = hooksOut.length === 1 ? "" : `writes ${count(hooksOut.length - 1, "later layer")} too, `;
  const last = result.predictionsPosition;
  const figures = `${reads}${also}${architecture}, ${l0[last]} of ${count(dSae, "feature")} active at ` +
    `${tokenName(result.tokens[last])}, ${count(result.rows(hook).length, "row")} over all positions`;
  return `${saeEntry(source, hook, page)}\n${detail(figures, page)}`;
}

/** Without the error term the SAEs change what the model says. */
function replaced({ parts: { includeErrorTerm, saes } }: Attribution, page: Page): string[] {
  if (includeErrorTerm || saes.size === 0) return [];
  const them = saes.size === 1 ? "the SAE's reconstruction" : "the SAEs' reconstructions";
  return [detail(`no error term: the predictions and the metric are those with ${them} in place`, page)];
}

/** What the metric is after the prompt that is compared with. */
function baselineMetric({ metric, parts: { baseline } }: Attribution, page: Page): string[] {
  if (baseline?.metric === undefined) return [];
  const [here, there, apart] = [metric, baseline.metric, metric - baseline.metric].map((x) => signed(x));
  return [detail(`there the metric is ${there}, here ${here}: ${apart} apart`, page)];
}

function excludedLines(result: Attribution, page: Page): string[] {
  const positions = excludedPositions(result);
  return positions.length === 0 ? [] : [entry("Left out", excludedWords(result, positions), page)];
}

function trackedLines(result: Attribution, page: Page): string[] {
  return trackedHooks(result).map(({ hook, attribution_sum, attribution_norm, activation_norm, gradient_norm }) => {
    const words = `${hook}: attribution ${signed(attribution_sum)} in all (norm ${plain(attribution_norm)}), ` +
      `norm of activation ${plain(activation_norm)}, of gradient ${plain(gradient_norm)}`;
    return entry("Tracked", words.split(" "), page);
  });
}

/** What computed, where it is not this program alone. */
function deviceLines({ parts: { model: { runtime } } }: Attribution, page: Page): string[] {
  const { device, account, version, reason } = runtime;
  const what = account === undefined ? [] : [`${version.join(" ")} (${account})`];
  const words = [...what, ...(reason === undefined ? [] : [`auto: ${reason}`])];
  return words.length === 0 ? [] : [entry("Device", printable([device, ...words].join(", ")).split(" "), page)];
}

function foot({ result, seconds }: ReportInput, page: Page): string {
  const { timings_ms: timings, peak_memory_mb: memory } = result.summary();
  const words = `${seconds.toFixed(2)} s, of which the run ${
    (timings.total / 1000).toFixed(2)
  } s; peak memory ${memory} MB`;
  return entry("Time", words.split(" "), page);
}

/** Asks the model for what the summary says, and writes it. */
export async function makeReport(
  request: AttributeRequest,
  result: Attribution,
  found: FoundExplanations,
  checks: Checks,
  screen: Screen,
): Promise<string> {
  const tokenNames = await metricTokenNames(result);
  const warnings = [...result.warnings, ...found.warnings];
  const seconds = performance.now() / 1000;
  return attributionReport(
    { result, request, labels: found.explanations, tokenNames, ...checks, warnings, seconds },
    screen,
  );
}

/** The metric's tokens by id. */
async function metricTokenNames(
  { parts: { model, grads: { resolvedMetric } } }: Attribution,
): Promise<Map<number, string>> {
  const { positive = [], negative = [] } = resolvedMetric;
  const tokens = await model.describeTokens([...positive, ...negative]);
  return new Map(tokens.map((token) => [token.id, tokenName(token)]));
}

/** In short what was attributed, for commands that go on from there: model, prompt, metric, SAEs and method. */
export async function explainedWords(result: Attribution, request: PromptRequest, page: Page): Promise<string> {
  const { model, grads: { resolvedMetric } } = result.parts;
  return [
    heading(printable(model.description), page) + "\n",
    promptEntry(result, page),
    metricEntry(result, await metricTokenNames(result), page),
    detail(`${resolvedMetric.formula}; ${request.metric.chosenFrom}`, page),
    ...result.hooks.map((hook) => saeEntry(result.sae(hook).source, hook, page)),
    entry("Method", methodWords(result), page),
    ...(request.includeErrorTerm ? [] : [detail("no error term: the SAEs' reconstructions are in place", page)]),
    ...warningEntries(result.warnings, page),
  ].join("\n");
}
