/** Small pieces that several parts are made of. */
import { h } from "./dom.ts";
import { showSigned, showText, showToken } from "./format.ts";
import type { ReportData } from "../report_data.ts";

/** The class of a signed number. */
export function sideOf(value: number): "positive" | "negative" | "zero" {
  return value > 0 ? "positive" : value < 0 ? "negative" : "zero";
}

/** |value| as a share of the largest, from 0 to 1. */
export function shareOf(value: number, largest: number): number {
  return largest === 0 ? 0 : Math.min(1, Math.abs(value) / largest);
}

/** A signed horizontal bar: from the middle where the numbers beside it have both signs, else from its start. */
export function bar(value: number, largest: number, bothSigns = false): HTMLElement {
  return h(
    "span",
    { class: `bar ${sideOf(value)}${bothSigns ? " both" : ""}`, "aria-hidden": "true" },
    h("i", { style: { "--share": String(shareOf(value, largest)) } }),
  );
}

/** The head of a table's row: a token and its position. */
export function tokenHead({ tokens }: Pick<ReportData, "tokens">, position: number): HTMLElement {
  const { text, id } = tokens[position];
  return h(
    "th",
    { scope: "row" },
    h("bdi", { class: "token-text" }, showToken(text, id)),
    h("sub", {}, String(position)),
  );
}

/** Which way a number speaks, as a sign in a circle. */
export function sideBadge(side: "positive" | "negative"): HTMLElement {
  return h("span", { class: `badge ${side}`, "aria-hidden": "true" }, side === "positive" ? "+" : "−");
}

/** A feature in a list: its number, its name, and where it is. */
export interface ListedFeature {
  readonly feature: number;
  readonly value: number;
  /** Of the list: bars are shares of it. */
  readonly largest: number;
  /** What it stands for, where that is known. */
  readonly label: string | undefined;
  /** Tokens with their positions; the first few are shown. */
  readonly places: readonly (readonly [token: string, position: number])[];
}

/** It as a button; `list` and the feature are what it is found by when the list is drawn again. */
export function featureButton(
  { feature, value, largest, label, places }: ListedFeature,
  { list, most, onclick }: { list: string; most: number; onclick: () => void },
): HTMLElement {
  return h(
    "button",
    { type: "button", class: "feature", "data-key": `${list} ${feature}`, onclick },
    h("span", { class: `number ${sideOf(value)}-text` }, showSigned(value, largest)),
    bar(value, largest),
    h(
      "span",
      { class: "what" },
      h("span", { class: "name" }, label === undefined ? `Feature ${feature}` : showText(label)),
      h(
        "span",
        { class: "where" },
        label === undefined ? null : h("span", { class: "id" }, `#${feature}`),
        places.slice(0, most).map(([token, position]) =>
          h("span", { class: "place" }, h("bdi", {}, token), h("sub", {}, String(position)))
        ),
        places.length > most ? h("span", { class: "muted" }, `+${places.length - most}`) : null,
      ),
    ),
  );
}
