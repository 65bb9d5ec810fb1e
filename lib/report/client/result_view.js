/** The whole result: all parts, the choice of SAE and position, and the feature card as a dialog. */
import { renderAccount } from "./account_view.js";
import { renderFeatureCard } from "./card_view.js";
import { h } from "./dom.js";
import { renderRows, renderTopFeatures } from "./features_view.js";
import { toCsvText } from "./figures.js";
import { showNumber, showSigned, showText, showToken } from "./format.js";
import { renderPositions, renderPredictions, renderTokens } from "./prompt_view.js";

/** From here on the chart takes the whole width. */
const MANY_TOKENS = 24;

/** The question as a title. */
export function questionOf({ metric: { name, words, positiveTokens, negativeTokens } }) {
  const names = (tokens) => tokens.map(({ text, id }) => showToken(text, id)).join(", ");
  if (name === "logit_diff") return `Why ${names(positiveTokens)} and not ${names(negativeTokens)}?`;
  if (name === "logit" || name === "logprob" || name === "prob") return `Why ${names(positiveTokens)}?`;
  if (name === "target_logprob") return `Why ${positiveTokens.map(({ text, id }) => showToken(text, id)).join(" ")}?`;
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * Shows a result.
 *
 * @param options.state what is chosen at first: `{ sae, position, feature }`, all optional
 * @param options.predictions whether the next-token table is shown, too
 * @param options.onState called with the new state whenever the user chooses something
 */
export function renderResult(
  container,
  data,
  { state: initial = {}, onState, headings = true, predictions = true } = {},
) {
  const state = { sae: 0, position: null, feature: null, ...initial };
  const parts = Object.fromEntries(
    ["tokens", "predictions", "positions", "features", "rows", "account"].map((
      name,
    ) => [name, h("div", { class: "part" })]),
  );
  const scope = h("p", { class: "scope", role: "status" });
  const card = h("div", { class: "card" });
  const dialog = h("dialog", {
    "aria-labelledby": "card-title",
    onclick: (event) => event.target === dialog && dialog.close(),
  }, card);
  dialog.addEventListener("close", () => change({ feature: null }));
  const change = (next) => {
    Object.assign(state, next);
    onState?.({ ...state });
  };
  const onPosition = (position) => {
    change({ position });
    draw();
  };
  const onFeature = (feature) => {
    change({ feature });
    renderFeatureCard(card, data, { sae: state.sae, feature, onClose: () => dialog.close() });
    dialog.showModal();
    card.scrollTop = 0;
    card.querySelector("h2").focus({ preventScroll: true });
  };
  const draw = () => {
    const key = document.activeElement?.dataset?.key;
    const options = { ...state, onPosition, onFeature };
    renderTokens(parts.tokens, data, options);
    if (data.saes.length > 0) {
      renderPositions(parts.positions, data, options);
      renderTopFeatures(parts.features, data, options);
      renderRows(parts.rows, data, options);
      renderAccount(parts.account, data, options);
    }
    renderScope(scope, data, state.position, () => onPosition(null));
    if (key !== undefined) container.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  };
  renderPredictions(parts.predictions, data, {});
  const chooseSae = (sae) => {
    change({ sae });
    draw();
    for (const button of container.querySelectorAll(".saes button")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.sae) === sae));
    }
  };
  container.replaceChildren(
    ...(headings ? [resultHead(data)] : []),
    warningsOf(data),
    section(
      "Prompt",
      "Each token in the colour of its features’ summed attribution. Choose one to look at it alone.",
      saeChoice(data, state, chooseSae),
      parts.tokens,
      scope,
    ),
    predictions
      ? h(
        "div",
        { class: data.tokens.length > MANY_TOKENS ? "two long" : "two" },
        section("Attribution by position", null, parts.positions),
        section("Next token", null, parts.predictions),
      )
      : section("Attribution by position", null, parts.positions),
    section(
      "Features",
      "The strongest, with what they stand for where that is known. Choose one to open its card.",
      parts.features,
    ),
    section("All rows", null, parts.rows),
    section("Does it add up?", null, parts.account),
    dialog,
  );
  draw();
  if (state.feature !== null) onFeature(state.feature);
}

function section(title, hint, ...content) {
  return h("section", {}, h("h2", {}, title), hint === null ? null : h("p", { class: "hint" }, hint), content);
}

function resultHead(data) {
  const { metric, model } = data;
  return h(
    "header",
    { class: "head" },
    h("p", { class: "eyebrow" }, showText(model.description)),
    h("h1", {}, h("bdi", {}, questionOf(data))),
    h(
      "p",
      { class: "metric" },
      showText(`${metric.words.replaceAll(" - ", " − ")} ${metric.place} = `),
      h("strong", {}, metric.value === null ? "not finite" : showSigned(metric.value)),
      metric.odds === null ? null : showText(`: ${metric.odds.replace(/^that is, /, "")}`),
    ),
    data.errorTerm || data.saes.length === 0 ? null : h(
      "p",
      { class: "metric" },
      "Without the error term: predictions and metric are those with the SAEs’ reconstructions in place.",
    ),
  );
}

function warningsOf({ warnings }) {
  if (warnings.length === 0) return "";
  return h(
    "aside",
    { class: "warnings", "aria-label": "Warnings" },
    warnings.map((text) => h("p", {}, showText(text))),
  );
}

function saeChoice({ saes }, state, choose) {
  if (saes.length === 0) return null;
  if (saes.length === 1) return h("p", { class: "sae-name" }, saeWords(saes[0]));
  return h(
    "div",
    { class: "saes", role: "group", "aria-label": "SAE" },
    saes.map((sae, i) =>
      h("button", {
        type: "button",
        "data-sae": String(i),
        "aria-pressed": String(i === state.sae),
        title: saeWords(sae),
        onclick: () => choose(i),
      }, showText(sae.hook))
    ),
  );
}

function saeWords({ source, hook, hookIn, architecture, dSae }) {
  const at = source.endsWith(hook) ? "" : ` at ${hook}`;
  return showText(
    `SAE ${source}${at}, ${architecture}, ${dSae.toLocaleString("en-US")} features${
      hookIn === hook ? "" : `, reads ${hookIn}`
    }`,
  );
}

function renderScope(container, { tokens }, position, onAll) {
  if (position === null) return container.replaceChildren("Showing all positions.");
  const { text, id } = tokens[position];
  container.replaceChildren(
    "Showing position ",
    h("strong", {}, String(position)),
    " ",
    h("bdi", { class: "token-text" }, showToken(text, id)),
    " ",
    h("button", { type: "button", class: "link", onclick: onAll }, "Show all"),
  );
}

/** Offers a text as a file. */
export function downloadText(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Buttons that download the rows as CSV and everything as JSON. */
export function renderDownloads(container, data) {
  container.replaceChildren(
    h(
      "button",
      { type: "button", onclick: () => downloadText("attribution.csv", "text/csv", toCsvText(data)) },
      "Download CSV",
    ),
    h("button", {
      type: "button",
      onclick: () => downloadText("attribution.json", "application/json", JSON.stringify(data)),
    }, "Download JSON"),
  );
}

/** The metric's value for a narrow place. */
export function metricShort({ metric }) {
  return `${showText(metric.words)} = ${metric.value === null ? "not finite" : showNumber(metric.value)}`;
}
