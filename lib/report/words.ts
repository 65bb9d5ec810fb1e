/**
 * The figures of a run in words.
 *
 * @module
 */
import type { Processing } from "../model/architecture.ts";
import { type ProcessingChoice, showProcessing } from "../attribution/run/processing.ts";
import type { MetricWords } from "../attribution/metric/metric.ts";
import type { Attribution } from "../attribution/result/result.ts";
import type { Fit } from "../attribution/result/fit.ts";
import type { SaeAttribution } from "../attribution/result/sae_attribution.ts";
import type { Token } from "../model/model.ts";
import { findMethod, type MethodName } from "../attribution/methods/mod.ts";
import { displayWidth, printable } from "../table/terminal.ts";
import { count, percent, signed } from "./figures.ts";

/** A token as people see it: spaces as dots, the id where it has no text. */
export function tokenName({ id, text }: Pick<Token, "id" | "text">): string {
  return text === "" ? `#${id}` : printable(text);
}

/** A token in its place: `·golf (6)`. */
export function tokenAt(tokens: readonly Pick<Token, "id" | "text">[], position: number): string {
  return `${tokenName(tokens[position])} (${position})`;
}

/** The most tokens of a prompt that are shown. */
const MOST_TOKENS = 60;
/** The most positions without SAEs that are shown. */
const MOST_EXCLUDED = 8;

/** The most lines of two prompts side by side. */
const MOST_LINES = 100;

/** A prompt's tokens, the middle left out where it is long. */
export function promptWords(tokens: readonly Token[]): string[] {
  const names = tokens.map(tokenName);
  const legend = `  (${count(tokens.length, "token")}, · is a space)`.split(" ");
  if (names.length <= MOST_TOKENS) return [...names, ...legend];
  const half = MOST_TOKENS / 2;
  const left = `… ${count(names.length - MOST_TOKENS, "more token")} …`;
  return [...names.slice(0, half), left, ...names.slice(-half), ...legend];
}

/** Two prompts' tokens by position, the positions marked at which they differ. */
export function sideBySide(prompt: readonly Token[], other: readonly Token[]): string[] {
  const names = [["prompt", ...prompt.map(tokenName)], ["baseline", ...other.map(tokenName)]];
  const width = Math.max(...names[0].map(displayWidth));
  const length = Math.max(prompt.length, other.length);
  const lines = Array.from({ length: Math.min(length, MOST_LINES) }, (_, p) => {
    const [a = "", b = ""] = names.map((column) => column[p + 1]);
    const mark = prompt[p]?.id === other[p]?.id ? " " : "*";
    return `${String(p).padStart(8)} ${mark} ${a}${" ".repeat(width - displayWidth(a))}  ${b}`.trimEnd();
  });
  const head = `position   prompt${" ".repeat(Math.max(0, width - "prompt".length))}  baseline`;
  return [head, ...lines, ...(length > MOST_LINES ? [`… ${count(length - MOST_LINES, "more position")}`] : [])];
}

/** How attributions were made: the method, and what activations are compared with. */
export function methodWords({ parts: { method, baseline, saes }, baselineTokens }: Attribution): string[] {
  const words = `${methodTitle(method, findMethod(method).exact && baseline !== undefined)}${exactWords(saes, method)}`
    .split(" ");
  if ([...saes.values()].some(({ directEffect }) => directEffect)) words.push("and", "direct", "effect");
  if (!baseline) return words;
  words[words.length - 1] += ",";
  if (baseline.name === "prompt") return [...words, "against", "the", "prompt", ...baselineTokens.map(tokenName)];
  const over = baseline.name === "mean" ? "this prompt" : "other prompts";
  return [...words, ...`against the mean over ${count(baseline.positions!, "position")} of ${over}`.split(" ")];
}

/** How many rows are exact, where not all are. */
function exactWords(saes: ReadonlyMap<string, SaeAttribution>, method: MethodName): string {
  const rows = [...saes.values()].flatMap((sae) => sae.rows);
  const exact = rows.filter((row) => row.exact === true).length;
  if (findMethod(method).exact) {
    return exact === rows.length ? "" : ` (${exact} of ${count(rows.length, "row")}, the others activation × gradient)`;
  }
  return exact === 0 ? "" : `, ${exact} of ${count(rows.length, "row")} exact`;
}

/** What one attribution is, under a baseline too. */
export function methodTitle(method: MethodName, hasBaseline = false): string {
  const { title, baselineTitle = title.replace("activation", "(activation − baseline)") } = findMethod(method);
  return hasBaseline ? baselineTitle : title;
}

/** What the metric is; `names` are its tokens' names by id. */
export function metricWords({ parts }: Attribution, names: ReadonlyMap<number, string>): MetricWords {
  const { name, words } = parts.grads.resolvedMetric;
  return words?.((id) => names.get(id) ?? `#${id}`) ??
    { name, positive: "for a higher metric", negative: "for a lower one" };
}

/** The two directions in one go: `for ·golf (+) and for ·tennis (-)`. */
export function directionWords({ positive, negative }: MetricWords): string {
  return `${positive} (+) and ${negative} (-)`;
}

/** Where the metric reads, in words: after which token, or added up over which. */
export function placeWords({ tokens, parts }: Attribution): string {
  const { metricName, grads: { rows } } = parts;
  if (metricName === "loss") return `over ${count(rows.length, "position")}`;
  if (metricName === "target_logprob" || metricName.startsWith("answer_")) return `after ${place(tokens, rows[0])}`;
  if (rows.length === 1) return `after ${place(tokens, rows[0])}`;
  return `added up after ${rows.map((row) => place(tokens, row)).join(", ")}`;
}

function place(tokens: readonly Token[], row: number): string {
  return `${tokenName(tokens[row])} (position ${row})`;
}

/** A logit difference as odds, which need no training to read. */
export function oddsWords({ metric, parts }: Attribution, names: ReadonlyMap<number, string>): string | undefined {
  const { metricName, grads: { rows, resolvedMetric: { positive = [], negative = [] } } } = parts;
  if (metricName !== "logit_diff" || !Number.isFinite(metric) || rows.length !== 1) return undefined;
  if (positive.length !== 1 || negative.length !== 1) return undefined;
  const [pos, neg] = [positive, negative].map((ids) => ids.map((id) => names.get(id) ?? `#${id}`).join(", "));
  const [more, less] = metric >= 0 ? [pos, neg] : [neg, pos];
  const times = Math.exp(Math.abs(metric));
  if (times < 1.05) return `that is, ${more} is about as probable as ${less}`;
  const factor = times >= 1e6 ? times.toExponential(0) : Number(times.toPrecision(2)).toLocaleString("en-US");
  return `that is, ${more} is ${factor} times as probable as ${less}`;
}

/** What was said about the form of the model. */
export interface ProcessingAsked {
  readonly processing: ProcessingChoice;
  /** Single flags over it. */
  readonly processingFlags: Partial<Processing>;
}

/** The form of the model and why. */
export function processingWords(
  { parts: { grads, saes } }: Attribution,
  choice: ProcessingAsked,
): string {
  const [first] = saes.values();
  const isSaid = first?.run.sae.config.modelFromPretrainedKwargs !== undefined;
  const why = choice.processing !== "sae"
    ? `\`processing: "${choice.processing}"\``
    : isSaid
    ? "as the SAE was trained"
    : "TransformerLens's default";
  const flags = Object.entries(choice.processingFlags).map(([name, value]) => `\`${name}: ${value}\``);
  return `${showProcessing(grads.processing)} (${[why, ...flags].join(", ")})`;
}

/** The positions at which the SAEs were left out. */
export function excludedWords({ tokens }: Attribution, positions: readonly number[]): string[] {
  const shown = positions.slice(0, MOST_EXCLUDED).map((p) => tokenAt(tokens, p));
  const left = positions.length - shown.length;
  const rest = left === 0 ? [] : [`and ${count(left, "more position")}`];
  return [...shown, ...rest, ..."special or excluded tokens, whose value passes without the SAEs".split(" ")];
}

/** How well the SAE reconstructs the prompt. */
export function fitWords(fit: Fit): string {
  const explained = fit.explainedVarianceWithoutFirst ?? fit.explainedVarianceOverall;
  const missed = percent(fit.meanRelativeError);
  if (!Number.isFinite(fit.meanRelativeError)) return "the SAE is left out at every position";
  if (!Number.isFinite(explained)) return `the SAE misses ${missed} of this one token's activation`;
  const word = fit.isPoor
    ? "poor"
    : explained >= 0.9
    ? "close"
    : explained >= 0.75
    ? "fair"
    : explained >= 0.5
    ? "loose"
    : "too few tokens to judge";
  const where = fit.explainedVarianceWithoutFirst === null ? "" : ", first position left out";
  const l0 = fit.meanL0WithoutFirst ?? fit.meanL0;
  // Of two positions the variance is a matter of chance, and its share may be -7,000 %.
  if (explained < 0 && !fit.isPoor) {
    return `${word}: misses ${missed} of the activations with ${l0.toFixed(1)} features a token`;
  }
  return `${word}: explains ${percent(explained)} of the variance with ${l0.toFixed(1)} features a token${where}`;
}

/** What the attribution leaves with the SAE's error. */
export function errorWords({ decomposition: { features, bias, error }, errorShare }: SaeAttribution): string {
  const sum = (values: readonly number[]): number => values.reduce((total, x) => total + Math.abs(x), 0);
  const all = sum(features) + sum(bias) + sum(error);
  const share = percent(all === 0 ? 0 : sum(error) / all);
  if (errorShare.length < 2) return `${share} of the attribution lies in what the SAE does not explain`;
  const [least, most] = [Math.min(...errorShare), Math.max(...errorShare)].map(percent);
  return `${share} of the attribution lies in what the SAE does not explain (by position ${least} to ${most})`;
}

/** How features, bias and error add up over all positions: with exact effects too, that is what the gradient says. */
export function addsUpWords(
  { decomposition: { features, bias, error, total, maxResidual }, baseline }: SaeAttribution,
  method: MethodName,
): string {
  const parts = [features, bias, error, total].map((values) => values.reduce((a, b) => a + b, 0));
  const largest = Math.max(...parts.map(Math.abs));
  const [f, b, e, t] = parts.map((value) => signed(value, largest));
  const what = baseline ? "what differs in the activation" : "the activation";
  const by = findMethod(method).exact ? `${methodTitle("gradient", baseline !== undefined)}, not exact effects: ` : "";
  return `${by}features ${f}, SAE bias ${b}, SAE error ${e}: together ${t}, the gradient times ${what} ` +
    `that the SAE reads (agrees to ${maxResidual.toExponential(0)})`;
}
