/** The prompt's tokens. */
import { h } from "./dom.ts";
import { largestOf } from "./figures.ts";
import { showSigned, showToken } from "./format.ts";
import { shareOf, sideOf } from "./pieces.ts";
import type { ReportData, ReportToken } from "../report_data.ts";
import type { ViewOptions } from "./view.ts";

/**
 * The prompt's tokens as buttons, coloured by their summed attribution (plain while data.saes is empty). Special tokens,
 * whose activations are unlike all others, are left out of the colours unless they are asked for.
 */
export function renderTokens(
  container: Element,
  data: Pick<ReportData, "tokens" | "saes">,
  { sae = 0, position = null, special = false, onPosition, onSpecial }: ViewOptions = {},
): void {
  const sums = data.saes[sae]?.decomposition.features;
  const isPlain = (token: ReportToken): boolean => sums === undefined || token.excluded || (token.special && !special);
  const largest = largestOf((sums ?? []).filter((_, i) => special || !data.tokens[i].special));
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
          class: `token ${isPlain(token) ? "plain" : sideOf(sums[i])}`,
          style: { "--strength": String(isPlain(token) ? 0 : shareOf(sums[i], largest)) },
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
  const hasSpecial = data.tokens.some((token) => token.special && !token.excluded);
  if (sums === undefined || !hasSpecial || onSpecial === undefined) return;
  container.append(h(
    "p",
    { class: "hint" },
    h(
      "button",
      {
        type: "button",
        class: "link",
        "data-key": "special",
        "aria-pressed": String(special),
        onclick: () => onSpecial(!special),
      },
      special ? "Leave special tokens out of the colours" : "Colour special tokens too",
    ),
  ));
}
