/** How features, bias and error add up, and how well the SAE fits, in figures and words. */
import { h } from "./dom.js";
import { largestOf } from "./figures.js";
import { showSigned } from "./format.js";
import { bar, sideOf } from "./pieces.js";

/** Decomposition, fit and error share. */
export function renderAccount(container, data, { sae = 0 } = {}) {
  const { decomposition, words } = data.saes[sae];
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const parts = [
    ["Features", sum(decomposition.features), "the sum of all attributions"],
    ["SAE bias", sum(decomposition.bias), "what the SAE writes without any feature"],
    ["SAE error", sum(decomposition.error), "what the SAE does not explain"],
    ["Together", sum(decomposition.total), "the gradient times the activation that the SAE reads"],
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
  const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
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
        "Gradient × activation is a first-order guess of what removing a feature would do. That the parts add up is arithmetic; only removing the features shows whether the guess is right.",
      ),
    ),
  );
}
