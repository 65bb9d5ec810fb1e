/** An answer token by token: its tokens to choose from, the matrix of answer and text before it, features that recur. */
import { featureButton, shareOf, sideOf } from "./pieces.ts";
import { h } from "./dom.ts";
import { largestOf } from "./figures.ts";
import { showCount, showNumber, showPercent, showSigned, showText, showToken } from "./format.ts";
import type { ReportAnswer, ReportData, ReportTarget } from "../report_data.ts";
import type { ViewOptions } from "./view.ts";

/** So many recurring features are shown. */
const RECURRING = 8;

/** Data of an answer. */
export type AnswerData = ReportData & { readonly answer: ReportAnswer };

/** How an answer is shown. */
export interface AnswerOptions extends ViewOptions {
  /** The position of the token that is looked at; null: all together. */
  readonly target?: number | null;
  /** Each row of the matrix has its own scale of colours. Default: all have one. */
  readonly rowScale?: boolean;
  onTarget?(target: number | null): void;
  onRowScale?(rowScale: boolean): void;
  /** A cell of the matrix: what a position says to a token. */
  onCell?(target: number, position: number): void;
}

export function hasAnswer(data: ReportData): data is AnswerData {
  return data.answer !== undefined;
}

/** The data with one token of the answer in the place of all; as they are where none is chosen. */
export function dataOfTarget(data: ReportData, target: number | null): ReportData {
  const found = data.answer?.targets.find(({ position }) => position === target);
  if (found === undefined) return data;
  const saes = data.saes.map((sae, i) => ({ ...sae, ...found.saes[i] }));
  return { ...data, tokens: data.tokens.slice(0, found.position), metric: found.metric, saes };
}

/** The answer's tokens as buttons, with their probabilities. */
export function renderAnswer(container: Element, data: AnswerData, { target = null, onTarget }: AnswerOptions): void {
  const { targets } = data.answer;
  const chips = targets.map((one) => {
    const name = nameOf(one);
    const rank = one.rank === 0 ? "" : `, rank ${one.rank}`;
    return h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: "token answer-token",
          style: { "--strength": String(one.probability) },
          "data-key": `target ${one.position}`,
          "aria-pressed": String(target === one.position),
          title: showText(`${one.metric.words} = ${metricValue(one)}`),
          onclick: () => onTarget?.(target === one.position ? null : one.position),
        },
        h("span", { class: "unseen" }, `Answer, position ${one.position}, token `),
        h("bdi", { class: "text" }, name),
        h("span", { class: "value" }, showPercent(one.probability), h("span", { class: "unseen" }, rank)),
      ),
    );
  });
  container.replaceChildren(h("ol", { class: "tokens" }, chips), scopeLine(data, target, onTarget));
}

/** What is shown below: one token's metric, or all of them. */
function scopeLine(
  { answer: { targets }, metric }: AnswerData,
  target: number | null,
  onTarget: AnswerOptions["onTarget"],
): HTMLElement {
  const found = targets.find(({ position }) => position === target);
  if (found === undefined) {
    const sum = `Showing all ${showCount(targets.length, "token")} together: ${metric.words} = `;
    return h("p", { class: "scope below", role: "status" }, showText(sum), showNumber(metric.value));
  }
  return h(
    "p",
    { class: "scope below", role: "status" },
    `Showing token ${found.position} `,
    h("bdi", { class: "token-text" }, nameOf(found)),
    showText(`: ${found.metric.words} = ${metricValue(found)} `),
    h("button", { type: "button", class: "link", onclick: () => onTarget?.(null) }, "Show the whole answer"),
  );
}

const nameOf = ({ text, id }: Pick<ReportTarget, "text" | "id">): string => showToken(text, id);
const metricValue = ({ metric }: ReportTarget): string => showNumber(metric.value);

/** What each position says to each token of the answer, a row for each of them. Special tokens do not set the scale. */
export function renderMatrix(
  container: Element,
  data: AnswerData,
  { sae = 0, target = null, position = null, rowScale = false, onTarget, onRowScale, onCell }: AnswerOptions,
): void {
  const { tokens, answer: { targets, promptLength } } = data;
  const counted = (values: readonly number[]): number[] => values.filter((_, i) => !tokens[i].special);
  const sums = targets.map((one) => one.saes[sae].decomposition.features);
  const largest = largestOf(sums.flatMap(counted));
  const head = tokens.map(({ text, id }, i) =>
    h(
      "th",
      { scope: "col", class: `${i === promptLength ? "first " : ""}${i === position ? "chosen" : ""}` },
      h("bdi", { title: `Position ${i}` }, showToken(text, id)),
    )
  );
  const rows = targets.map((one, t) =>
    h(
      "tr",
      { class: one.position === target ? "chosen" : "" },
      h(
        "th",
        { scope: "row" },
        h(
          "button",
          {
            type: "button",
            class: "link",
            "data-key": `row ${one.position}`,
            "aria-pressed": String(one.position === target),
            "aria-label": `Look at ${nameOf(one)} at position ${one.position}`,
            onclick: () => onTarget?.(one.position === target ? null : one.position),
          },
          h("bdi", {}, nameOf(one)),
        ),
      ),
      tokens.map((token, i) =>
        cell(one, token, i, sums[t][i], rowScale ? largestOf(counted(sums[t])) : largest, onCell)
      ),
    )
  );
  const scale = h(
    "button",
    {
      type: "button",
      class: "link",
      "data-key": "row scale",
      "aria-pressed": String(rowScale),
      onclick: () => onRowScale?.(!rowScale),
    },
    rowScale ? "One scale of colours for all rows" : "A scale of colours for each row",
  );
  container.replaceChildren(
    h("p", { class: "hint" }, scale),
    h(
      "div",
      { class: "scroll matrix-scroll", role: "region", "aria-label": "Answer by position", tabindex: "0" },
      h(
        "table",
        { class: "matrix" },
        h("thead", {}, h("tr", {}, h("td", {}), head)),
        h("tbody", {}, rows),
      ),
    ),
  );
}

function cell(
  target: ReportTarget,
  token: ReportData["tokens"][number],
  position: number,
  value: number | undefined,
  largest: number,
  onCell: AnswerOptions["onCell"],
): HTMLElement {
  if (value === undefined) return h("td", { class: "after" });
  const words = `${showToken(token.text, token.id)} (${position}) to ${nameOf(target)}: ${showSigned(value, largest)}`;
  return h(
    "td",
    {
      class: token.special ? "special" : sideOf(value),
      style: { "--strength": String(token.special ? 0 : shareOf(value, largest)) },
      title: words,
      onclick: () => onCell?.(target.position, position),
    },
    h("span", { class: "unseen" }, showSigned(value, largest)),
  );
}

/** Features among the strongest of several tokens. */
export function renderRecurring(container: Element, data: AnswerData, { sae = 0, onFeature }: AnswerOptions): void {
  const { answer: { recurring, targets } } = data;
  const shown = recurring[sae].slice(0, RECURRING);
  if (shown.length === 0) return container.replaceChildren(h("p", { class: "muted" }, "No feature."));
  const largest = largestOf(shown.map(({ attribution }) => attribution));
  const names = new Map(targets.map((one) => [one.position, nameOf(one)]));
  const items = shown.map(({ feature, attribution: value, targets: positions }) => {
    const places = positions.map((at): [string, number] => [names.get(at)!, at]);
    const item = { feature, value, largest, label: data.saes[sae].labels[feature], places };
    return h(
      "li",
      {},
      featureButton(item, { list: "recurring", most: 6, onclick: () => onFeature?.(feature, sae) }),
    );
  });
  container.replaceChildren(h("ol", { class: "feature-list" }, items));
}
