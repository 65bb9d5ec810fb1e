/** Small pieces that several parts are made of. */
import { h } from "./dom.ts";
import { showToken } from "./format.ts";
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
