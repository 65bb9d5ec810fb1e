/** One feature: where it is active here, the tokens that it raises and lowers, contexts, Neuronpedia. */
import { removingCommand } from "./command_view.ts";
import { h, s } from "./dom.ts";
import { largestOf, neuronpediaAddress, rowsOf } from "./figures.ts";
import { showCount, showNumber, showPercent, showSigned, showText, showToken } from "./format.ts";
import { bar, sideOf, tokenHead } from "./pieces.ts";
import type { FeatureCard, NamedLogit } from "../cards.ts";
import type { ReportData, ReportRows, ReportSae } from "../report_data.ts";
import type { ChangeParts } from "./view.ts";

/** Which feature of which SAE, and what closes its card; without it the card stays. */
export interface CardOptions {
  readonly sae?: number;
  readonly feature: number;
  onClose?(): void;
  /** What changes the feature; without it the command that does. */
  readonly change?: ChangeParts;
}

/** One feature's card. Nothing is loaded from Neuronpedia until its part is opened. */
export function renderFeatureCard(
  container: Element,
  data: ReportData,
  { sae = 0, feature, onClose, change }: CardOptions,
): void {
  const of = data.saes[sae];
  const card: FeatureCard = of.cards[feature] ?? {};
  const label = of.labels[feature];
  container.replaceChildren(
    h(
      "header",
      { class: "card-head" },
      h(
        "div",
        {},
        h("p", { class: "eyebrow" }, label === undefined ? of.hook : `Feature ${feature} · ${of.hook}`),
        h("h2", { id: "card-title", tabindex: "-1" }, label === undefined ? `Feature ${feature}` : showText(label)),
      ),
      onClose === undefined
        ? null
        : h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => onClose() }, "×"),
    ),
    inThisPrompt(data, of, feature),
    change === undefined ? removingCommand(data, sae, feature) ?? "" : change.feature(data, sae, feature),
    logitLists(card) ?? noLogits(of),
    activity(card) ?? "",
    neuronpediaPart(of, feature),
  );
}

function inThisPrompt(data: ReportData, { rows }: ReportSae, feature: number): HTMLElement {
  const found = rowsOf(rows, feature);
  const total = found.reduce((sum, i) => sum + rows.attribution[i], 0);
  const side = total > 0 ? data.metric.positive : data.metric.negative;
  return h(
    "section",
    {},
    h("h3", {}, "In this prompt"),
    h(
      "p",
      {},
      "Speaks ",
      h("strong", { class: `${sideOf(total)}-text` }, side),
      " with ",
      h("strong", {}, showSigned(total)),
      found.length > 1 ? `, at ${showCount(found.length, "position")}.` : ".",
    ),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": "Attributions of this feature" },
      placesTable(data, rows, found),
    ),
  );
}

/** A column of the table: its title, its values, and how one is shown beside the largest. */
type Column = readonly [title: string, values: readonly number[], show: (value: number, largest?: number) => string];

function placesTable(data: ReportData, rows: ReportRows, found: readonly number[]): HTMLElement {
  const attributions = found.map((i) => rows.attribution[i]);
  const columns: readonly Column[] = [
    ["Activation", rows.activation, showNumber],
    ...(rows.baseline === undefined ? [] : [["− baseline", rows.baseline, showNumber] as const]),
    ["× gradient", rows.gradient, showSigned],
    ["= attribution", rows.attribution, showSigned],
  ];
  const sizes = columns.map(([, values]) => largestOf(found.map((i) => values[i])));
  const largest = largestOf(attributions);
  const both = attributions.some((x) => x < 0) && attributions.some((x) => x > 0);
  const cell = (i: number) => ([, values, show]: Column, n: number): HTMLElement => {
    const colour = values === rows.attribution ? ` ${sideOf(values[i])}-text` : "";
    return h("td", { class: `number${colour}` }, show(values[i], sizes[n]));
  };
  const lines = found.map((i) =>
    h(
      "tr",
      {},
      tokenHead(data, rows.position[i]),
      columns.map(cell(i)),
      h("td", { class: "wide" }, bar(rows.attribution[i], largest, both)),
    )
  );
  const heads = [
    h("th", { scope: "col" }, "Token"),
    ...columns.map(([title]) => h("th", { scope: "col", class: "number" }, title)),
  ];
  const head = h("thead", {}, h("tr", {}, heads, h("td", { class: "wide" })));
  return h("table", { class: "places" }, head, h("tbody", {}, lines));
}

function noLogits({ noLogits: reason }: ReportSae): HTMLElement {
  const words = reason ?? "Only the strongest features of the report have their tokens in it.";
  return h("section", {}, h("h3", {}, "Tokens that it raises and lowers"), h("p", { class: "muted" }, words));
}

function logitLists({ raised, lowered = [] }: FeatureCard): HTMLElement | undefined {
  if (raised === undefined) return undefined;
  const largest = largestOf([...raised, ...lowered].map(([, logit]) => logit));
  const list = (title: string, items: readonly NamedLogit[]): HTMLElement =>
    h(
      "div",
      {},
      h("h4", {}, title),
      h(
        "ol",
        { class: "logits" },
        items.map(([token, logit]) =>
          h(
            "li",
            {},
            h("bdi", { class: "token-text" }, showToken(token, "?")),
            bar(logit, largest),
            h("span", { class: "number" }, showSigned(logit, largest)),
          )
        ),
      ),
    );
  return h(
    "section",
    {},
    h("h3", {}, "Tokens that it raises and lowers"),
    h(
      "p",
      { class: "muted" },
      "What one unit of activation adds to each token’s logit directly, past the layers between, before the final norm’s scale.",
    ),
    h("div", { class: "sides" }, list("Raises", raised), list("Lowers", lowered)),
  );
}

function activity({ density = 0, largest = 0, histogram = [], contexts }: FeatureCard): HTMLElement | undefined {
  if (contexts === undefined) return undefined;
  return h(
    "section",
    {},
    h("h3", {}, "Where it is active"),
    h(
      "p",
      { class: "muted" },
      `At ${showPercent(density)} of the tokens of the texts that it was labelled on; strongest ${
        showNumber(largest)
      }.`,
    ),
    histogramFigure(histogram, largest),
    h(
      "ol",
      { class: "contexts" },
      contexts.map(({ tokens, levels, activation }) =>
        h(
          "li",
          {},
          h("span", { class: "number muted" }, showNumber(activation, largest)),
          h(
            "p",
            {},
            tokens.map((token, i) =>
              h(
                "span",
                { class: "context-token", style: { "--level": String((levels[i] ?? 0) / 100) } },
                showText(token),
              )
            ),
          ),
        )
      ),
    ),
  );
}

/** Counts on a logarithmic scale: rare strong activations are what a feature is about. */
function histogramFigure(counts: readonly number[], largest: number): HTMLElement {
  const [width, height] = [360, 72];
  const most = Math.log1p(Math.max(...counts));
  const step = width / counts.length;
  const bars = counts.map((n, i) => {
    const size = most === 0 ? 0 : (height * Math.log1p(n)) / most;
    return s("rect", {
      x: (i * step + 0.75).toFixed(2),
      y: (height - size).toFixed(2),
      width: (step - 1.5).toFixed(2),
      height: size.toFixed(2),
    });
  });
  const words = `Histogram of ${showCount(counts.reduce((a, b) => a + b, 0), "activation")} from 0 to ${
    showNumber(largest)
  }`;
  return h(
    "figure",
    { class: "histogram" },
    s(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": words, preserveAspectRatio: "none" },
      bars,
    ),
    h(
      "figcaption",
      {},
      h("span", {}, "0"),
      h("span", {}, "activation (counts on a logarithmic scale)"),
      h("span", {}, showNumber(largest)),
    ),
  );
}

function neuronpediaPart(of: ReportSae, feature: number): HTMLElement | string {
  const address = neuronpediaAddress(of, feature, false);
  if (address === null) return "";
  const details = h(
    "details",
    { class: "neuronpedia" },
    h("summary", {}, "Neuronpedia dashboard ", h("span", { class: "muted" }, "(loads from neuronpedia.org)")),
    h("p", {}, h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, "Open its page")),
  );
  details.addEventListener("toggle", () => {
    if (!details.open || details.querySelector("iframe") !== null) return;
    details.append(h("iframe", {
      src: neuronpediaAddress(of, feature, true),
      title: `Neuronpedia’s dashboard of feature ${feature}`,
      referrerpolicy: "no-referrer",
      sandbox: "allow-scripts allow-same-origin allow-popups",
    }));
  });
  return details;
}
