/** How features, bias and error add up, and how well the SAE fits, in figures and words. */
import { h } from "./dom.ts";
import { largestOf } from "./figures.ts";
import { showSigned, showText } from "./format.ts";
import { bar, sideOf } from "./pieces.ts";
import type { ReportData, ReportMethod } from "../report_data.ts";
import type { ViewOptions } from "./view.ts";

/** Decomposition, fit and error share. */
export function renderAccount(container: Element, data: ReportData, { sae = 0 }: ViewOptions = {}): void {
  const { decomposition, words } = data.saes[sae];
  const read = data.method.hasBaseline ? "what differs in the activation" : "the activation";
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const parts: [name: string, value: number, meaning: string][] = [
    ["Features", sum(decomposition.features), "the sum of all attributions"],
    ["SAE bias", sum(decomposition.bias), "what the SAE writes without any feature"],
    ["SAE error", sum(decomposition.error), "what the SAE does not explain"],
    ["Together", sum(decomposition.total), `the gradient times ${read} that the SAE reads`],
  ];
  const largest = largestOf(parts.map(([, value]) => value));
  const rows = parts.map(([name, value, meaning], i) =>
    h(
      "tr",
      { class: i === 3 ? "total" : "" },
      h("th", { scope: "row" }, name),
      h("td", { class: `number ${sideOf(value)}-text` }, showSigned(value, largest)),
      h("td", { class: "wide" }, bar(value, largest, true)),
      h("td", { class: "muted meaning" }, meaning),
    )
  );
  const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
  container.replaceChildren(
    h("table", { class: "account" }, h("tbody", {}, rows)),
    h(
      "dl",
      { class: "words" },
      h("dt", {}, "Fit"),
      h("dd", {}, sentence(words.fit)),
      h("dt", {}, "Error"),
      h("dd", {}, sentence(words.error)),
      h("dt", {}, "Meaning"),
      h(
        "dd",
        {},
        meaningWords(data.method),
      ),
    ),
  );
}

function meaningWords({ words, title, hasBaseline }: ReportMethod): string {
  const removing = hasBaseline ? "setting a feature to its baseline" : "removing a feature";
  const first = `${title.charAt(0).toUpperCase()}${title.slice(1)}`;
  return `${first} is a guess of what ${removing} would do to the metric. That the parts add up is arithmetic; only ` +
    `doing it shows whether the guess is right. Method: ${showText(words)}.`;
}
