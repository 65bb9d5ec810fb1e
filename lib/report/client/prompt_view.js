/** The prompt's tokens. */
import { h } from "./dom.js";
import { largestOf } from "./figures.js";
import { showSigned, showToken } from "./format.js";
import { shareOf, sideOf } from "./pieces.js";

/** The prompt's tokens as buttons, coloured by their summed attribution (plain while data.saes is empty). */
export function renderTokens(container, data, { sae = 0, position = null, onPosition } = {}) {
  const sums = data.saes[sae]?.decomposition.features;
  const largest = largestOf(sums ?? []);
  const chips = data.tokens.map((token, i) => {
    const name = showToken(token.text, token.id);
    const value = sums === undefined ? null : token.excluded ? "left out" : showSigned(sums[i], largest);
    return h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: `token ${sums === undefined || token.excluded ? "plain" : sideOf(sums[i])}`,
          style: { "--strength": String(sums === undefined ? 0 : shareOf(sums[i], largest)) },
          "data-key": `token ${i}`,
          "aria-pressed": String(position === i),
          "aria-label": `Position ${i}, token ${name}${value === null ? "" : `, ${value}`}`,
          onclick: () => onPosition?.(position === i ? null : i),
        },
        h("bdi", { class: "text" }, name),
        value === null ? null : h("span", { class: "value" }, value),
      ),
    );
  });
  container.replaceChildren(h("ol", { class: "tokens" }, chips));
}
