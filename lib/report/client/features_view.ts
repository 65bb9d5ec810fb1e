/** The strongest features. */
import { h } from "./dom.ts";
import { type FeatureTotal, featureTotals, largestOf } from "./figures.ts";
import { showToken } from "./format.ts";
import { featureButton, type ListedFeature, sideBadge } from "./pieces.ts";
import type { ReportData } from "../report_data.ts";
import type { ViewOptions } from "./view.ts";

/** So many on either side. */
const TOP_FEATURES = 8;

/** The features that speak most for and against, over all positions or at the chosen one. */
export function renderTopFeatures(
  container: Element,
  data: ReportData,
  { sae = 0, position = null, onFeature }: ViewOptions = {},
): void {
  const totals = featureTotals(data.saes[sae], position);
  const positive = totals.filter(({ sum }) => sum > 0).slice(0, TOP_FEATURES);
  const negative = totals.filter(({ sum }) => sum < 0).slice(-TOP_FEATURES).reverse();
  const largest = largestOf([...positive, ...negative].map(({ sum }) => sum));
  const list = (items: readonly FeatureTotal[], side: "positive" | "negative", title: string): HTMLElement =>
    h(
      "section",
      { class: `side ${side}` },
      h(
        "h3",
        {},
        sideBadge(side),
        " ",
        title,
      ),
      items.length === 0 ? h("p", { class: "muted" }, position === null ? "No feature." : "No feature here.") : h(
        "ol",
        { class: "feature-list" },
        items.map((item) =>
          h(
            "li",
            {},
            featureButton(listed(data, item, largest, { sae, position }), {
              list: "feature",
              most: 4,
              onclick: () => onFeature?.(item.feature, sae),
            }),
          )
        ),
      ),
    );
  const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
  container.replaceChildren(h(
    "div",
    { class: "sides" },
    list(positive, "positive", capital(data.metric.positive)),
    list(negative, "negative", capital(data.metric.negative)),
  ));
}

/** A feature with the tokens at which it is, unless one is chosen. */
function listed(
  data: ReportData,
  { feature, sum, places }: FeatureTotal,
  largest: number,
  { sae = 0, position }: ViewOptions,
): ListedFeature {
  const named = places.map(({ position: at }): [string, number] => {
    const { id, text } = data.tokens[at];
    return [showToken(text, id), at];
  });
  const label = data.saes[sae].labels[feature];
  return { feature, value: sum, largest, label, places: position === null ? named : [] };
}
