/** The strongest features. */
import { h } from "./dom.js";
import { featureTotals, largestOf } from "./figures.js";
import { showSigned, showText, showToken } from "./format.js";
import { bar, sideBadge, sideOf } from "./pieces.js";

/** The features that speak most for and against, over all positions or at the chosen one. */
export function renderTopFeatures(container, data, { sae = 0, position = null, count = 8, onFeature } = {}) {
  const totals = featureTotals(data.saes[sae], position);
  const positive = totals.filter(({ sum }) => sum > 0).slice(0, count);
  const negative = totals.filter(({ sum }) => sum < 0).slice(-count).reverse();
  const largest = largestOf([...positive, ...negative].map(({ sum }) => sum));
  const list = (items, side, title) =>
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
        items.map((item) => h("li", {}, featureButton(data, sae, item, largest, position, onFeature))),
      ),
    );
  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  container.replaceChildren(h(
    "div",
    { class: "sides" },
    list(positive, "positive", capital(data.metric.positive)),
    list(negative, "negative", capital(data.metric.negative)),
  ));
}

function featureButton(data, sae, { feature, sum, places }, largest, position, onFeature) {
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
