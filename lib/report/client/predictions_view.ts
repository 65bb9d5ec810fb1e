/** The next-token table. */
import { h } from "./dom.ts";
import { showPercent, showToken } from "./format.ts";
import { shareOf, sideBadge } from "./pieces.ts";
import type { ReportData, ReportPrediction } from "../report_data.ts";

/** Which way a token is to speak. */
export type Side = "positive" | "negative";

type OnAnswer = (id: number, side: Side) => void;

/** The next-token table. With `onAnswer(token id, "positive" | "negative")`, each row has buttons that choose it. */
export function renderPredictions(
  container: Element,
  data: Pick<ReportData, "predictions">,
  { onAnswer }: { readonly onAnswer?: OnAnswer } = {},
): void {
  const most = Math.max(...data.predictions.map(({ probability }) => probability), 0);
  const head = h(
    "tr",
    {},
    h("th", { scope: "col", class: "number" }, "Rank"),
    h("th", { scope: "col" }, "Token"),
    h("td", {}),
    h("th", { scope: "col", class: "number" }, "Probability"),
    h("th", { scope: "col", class: "number logit" }, "Logit"),
    onAnswer === undefined ? null : h("th", { scope: "col" }, "Answer"),
  );
  const rows = data.predictions.map((prediction) => predictionRow(prediction, most, onAnswer));
  container.replaceChildren(h("table", { class: "predictions" }, h("thead", {}, head), h("tbody", {}, rows)));
}

function predictionRow(
  { id, token, rank, logit, probability, side }: ReportPrediction,
  most: number,
  onAnswer: OnAnswer | undefined,
): HTMLElement {
  const name = showToken(token, id);
  const share = h("i", { style: { "--share": String(shareOf(probability, most)) } });
  const badge = side === null ? null : [" ", sideBadge(side), h("span", { class: "unseen" }, ` ${side} answer`)];
  return h(
    "tr",
    { class: side ?? "" },
    h("td", { class: "number muted" }, String(rank)),
    h("th", { scope: "row" }, h("bdi", { class: "token-text" }, name), badge),
    h("td", { class: "wide" }, h("span", { class: "bar neutral", "aria-hidden": "true" }, share)),
    h("td", { class: "number" }, showPercent(probability)),
    h("td", { class: "number muted logit" }, showLogit(logit)),
    onAnswer === undefined ? null : h(
      "td",
      { class: "choose" },
      (["positive", "negative"] as const).map((choice) => answerButton(id, name, choice, side, onAnswer)),
    ),
  );
}

function answerButton(id: number, name: string, choice: Side, side: Side | null, onAnswer: OnAnswer): HTMLElement {
  return h("button", {
    type: "button",
    class: `choice ${choice}`,
    "data-key": `answer ${id} ${choice}`,
    "aria-pressed": String(side === choice),
    "aria-label": `${name} as the ${choice} answer`,
    onclick: () => onAnswer(id, choice),
  }, choice === "positive" ? "+" : "−");
}

function showLogit(logit: number | null): string {
  return logit === null ? "–" : (logit < 0 ? "−" : "") + Math.abs(logit).toFixed(2);
}
