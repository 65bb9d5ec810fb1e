/** The prompt's tokens. */
import { h } from "./dom.ts";
import { largestOf } from "./figures.ts";
import { showSigned, showToken } from "./format.ts";
import { shareOf, sideOf } from "./pieces.ts";
import type { ReportData } from "../report_data.ts";
import type { ViewOptions } from "./view.ts";

/** The prompt's tokens as buttons, coloured by their summed attribution (plain while data.saes is empty). */
export function renderTokens(
  container: Element,
  data: Pick<ReportData, "tokens" | "saes">,
  { sae = 0, position = null, onPosition }: ViewOptions = {},
): void {
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
