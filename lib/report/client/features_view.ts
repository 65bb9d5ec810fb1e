/** The strongest features. */
import { h } from "./dom.ts";
import { type FeatureTotal, featureTotals, largestOf } from "./figures.ts";
import { showSigned, showText, showToken } from "./format.ts";
import { bar, sideBadge, sideOf } from "./pieces.ts";
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
        items.map((item) => h("li", {}, featureButton(data, item, largest, { sae, position, onFeature }))),
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

function featureButton(
  data: ReportData,
  { feature, sum, places }: FeatureTotal,
  largest: number,
  { sae = 0, position, onFeature }: ViewOptions,
): HTMLElement {
  const label = data.saes[sae].labels[feature];
  const where = places.slice(0, 4).map((place) => {
    const { id, text } = data.tokens[place.position];
    return h("span", { class: "place" }, h("bdi", {}, showToken(text, id)), h("sub", {}, String(place.position)));
  });
  return h(
    "button",
    { type: "button", class: "feature", "data-key": `feature ${feature}`, onclick: () => onFeature?.(feature, sae) },
    h("span", { class: `number ${sideOf(sum)}-text` }, showSigned(sum, largest)),
    bar(sum, largest),
    h(
      "span",
      { class: "what" },
      h("span", { class: "name" }, label === undefined ? `Feature ${feature}` : showText(label)),
      h(
        "span",
        { class: "where" },
        label === undefined ? null : h("span", { class: "id" }, `#${feature}`),
        position === null ? where : null,
        position === null && places.length > where.length
          ? h("span", { class: "muted" }, `+${places.length - where.length}`)
          : null,
      ),
    ),
  );
}
