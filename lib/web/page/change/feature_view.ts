/**
 * A feature's card: removed, doubled or set to a value, with the metric and the next tokens that come of it.
 *
 * @module
 */
import { h, showNumber, showPercent, showSigned, showToken } from "../../../report/client/mod.ts";
import { exactNumber, showText } from "../../../report/client/format.ts";
import { rowsOf } from "../../../report/client/figures.ts";
import type { ReportData } from "../../../report/report_data.ts";
import type { SteerAnswer } from "../../jobs.ts";
import type { Engine, EngineBody } from "../engine.ts";
import { LastJob } from "./last_job.ts";
import { targetOf } from "./question.ts";

/** Next tokens that are shown. */
const TOKENS = 6;

/** Who is asked, and about what. */
export interface Changing {
  readonly engine: Pick<Engine, "steer" | "select">;
  /** The question, as the API takes it. */
  readonly question: EngineBody;
  /** Of the moment: aborted when another question runs. */
  readonly signal: () => AbortSignal;
}

/** What is done to a feature. */
interface Change {
  /** What is said: `Removed`, `Doubled`, `Set to 3`. */
  readonly words: string;
  readonly how: "set" | "scale";
  readonly value: number;
}

/** Buttons that change a feature, and what comes of it. */
export function featureChanges(
  { engine, question, signal }: Changing,
  data: ReportData,
  { sae, feature }: { readonly sae: number; readonly feature: number },
): HTMLElement {
  const { rows, hook } = data.saes[sae];
  const active = rowsOf(rows, feature).filter((i) => rows.activation[i] !== 0);
  const places = active.map((i) => rows.position[i]);
  const status = h("p", { class: "muted", role: "status" });
  const result = h("div");
  const job = new LastJob(status, signal);
  const where = placeChoice(data, places);
  const make = async ({ words, how, value }: Change): Promise<void> => {
    const positions = where.value === "above"
      // Where it is not active there is nothing to remove or double.
      ? how === "set" && value !== 0 ? places : ["all"]
      : [where.value === "all" ? "all" : Number(where.value)];
    const interventions = positions.map((position) => ({ hook, feature, position, how, value }));
    const body = { ...question, interventions, position: positionOf(data), top: TOKENS };
    const answer = await job.run((options) => engine.steer(body, options));
    if (answer !== undefined) result.replaceChildren(...changedView(data, words, answer.steered));
  };
  const largest = active.reduce((most, i) => Math.max(most, rows.activation[i]), 0);
  return h(
    "section",
    { class: "change" },
    h("h3", {}, "Change it"),
    h("p", { class: "muted" }, "The rest of the model runs again: what comes of it is exact."),
    h(
      "div",
      { class: "change-controls", role: "group", "aria-label": "Change this feature" },
      button("Remove it", () => make({ words: "Removed", how: "set", value: 0 })),
      button("Double it", () => make({ words: "Doubled", how: "scale", value: 2 })),
      valueForm(largest, (value) => make({ words: `Set to ${exactNumber(value)}`, how: "set", value })),
      where,
    ),
    status,
    result,
  );
}

/** Whose next token is looked at: that before the token of an answer. */
function positionOf(data: ReportData): number {
  const target = targetOf(data);
  return target === undefined ? data.predictionsPosition : target.position - 1;
}

function button(name: string, onclick: () => unknown): HTMLElement {
  return h("button", { type: "button", onclick }, name);
}

function placeChoice({ tokens }: ReportData, positions: readonly number[]): HTMLSelectElement {
  const options = positions.map((position) => {
    const { text, id } = tokens[position];
    return h("option", { value: String(position) }, `at ${showToken(text, id)} (${position})`);
  });
  return h(
    "select",
    { "aria-label": "Where" },
    options.length === 0 ? null : h("option", { value: "above" }, "at the positions above"),
    h("option", { value: "all" }, "at all positions"),
    options.length > 1 ? options : null,
  );
}

/** A value, set by the button or by Enter. */
function valueForm(largest: number, set: (value: number) => unknown): HTMLElement {
  const input = h("input", {
    type: "number",
    step: "any",
    value: showNumber(largest).replace("−", "-"),
    "aria-label": "The activation to set it to",
    autocomplete: "off",
  });
  const onsubmit = (event: Event): void => {
    event.preventDefault();
    if (Number.isFinite(input.valueAsNumber)) set(input.valueAsNumber);
    else input.focus();
  };
  return h("form", { onsubmit }, h("button", { type: "submit" }, "Set to"), input);
}

/** The metric and the next tokens, before and after. */
function changedView(
  { metric }: ReportData,
  words: string,
  { metric: { before, after }, predictions }: SteerAnswer,
): Node[] {
  const change = before === null || after === null ? null : after - before;
  const name = showText(metric.words.replaceAll(" - ", " − "));
  const figure = h(
    "strong",
    { class: "effect", ...(change === null ? {} : { title: exactNumber(change) }) },
    showSigned(change),
  );
  const line = h(
    "p",
    { class: "changed" },
    `${words}: ${name} goes from ${showSigned(before)} to ${showSigned(after)}, by `,
    figure,
    ".",
  );
  const rows = predictions.slice(0, TOKENS).map(({ id, token, probability }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, h("bdi", { class: "token-text" }, showToken(token, id))),
      h("td", { class: "number muted" }, showShare(probability.before)),
      h("td", { class: "number" }, showShare(probability.after)),
    )
  );
  const heads = ["Before", "After"].map((title) => h("th", { scope: "col", class: "number" }, title));
  const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Next token"), heads));
  return [line, h("table", { class: "next-tokens" }, head, h("tbody", {}, rows))];
}

/** A probability; of logits that overflow there is none. */
function showShare(share: number | null): string {
  return share === null || !Number.isFinite(share) ? "–" : showPercent(share);
}
