/** The prompt's tokens, the next tokens, and the bar chart per position. */
import { h } from "./dom.js";
import { largestOf, niceTicks } from "./figures.js";
import { showPercent, showSigned, showToken } from "./format.js";

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

/** The class of a signed number. */
export function sideOf(value) {
  return value > 0 ? "positive" : value < 0 ? "negative" : "zero";
}

/** |value| as a share of the largest, from 0 to 1. */
export function shareOf(value, largest) {
  return largest === 0 ? 0 : Math.min(1, Math.abs(value) / largest);
}

/** A signed horizontal bar: from the middle where the numbers beside it have both signs, else from its start. */
export function bar(value, largest, bothSigns = false) {
  return h(
    "span",
    { class: `bar ${sideOf(value)}${bothSigns ? " both" : ""}`, "aria-hidden": "true" },
    h("i", { style: { "--share": String(shareOf(value, largest)) } }),
  );
}

/** The next-token table. With `onAnswer(token id, "positive" | "negative")`, each row has buttons that choose it. */
export function renderPredictions(container, data, { onAnswer } = {}) {
  const most = Math.max(...data.predictions.map(({ probability }) => probability), 0);
  const rows = data.predictions.map(({ id, token, rank, logit, probability, side }) => {
    const name = showToken(token, id);
    return h(
      "tr",
      { class: side ?? "" },
      h("td", { class: "number muted" }, String(rank + 1)),
      h("th", { scope: "row" }, h("bdi", { class: "token-text" }, name), " ", side === null ? null : sideBadge(side)),
      h(
        "td",
        { class: "wide" },
        h("span", { class: "bar neutral", "aria-hidden": "true" }, probabilityBar(probability, most)),
      ),
      h("td", { class: "number" }, showPercent(probability)),
      h(
        "td",
        { class: "number muted logit" },
        logit === null ? "–" : (logit < 0 ? "−" : "") + Math.abs(logit).toFixed(2),
      ),
      onAnswer === undefined ? null : h(
        "td",
        { class: "choose" },
        ["positive", "negative"].map((choice) =>
          h("button", {
            type: "button",
            class: `choice ${choice}`,
            "data-key": `answer ${id} ${choice}`,
            "aria-pressed": String(side === choice),
            "aria-label": `${name} as the ${choice} answer`,
            onclick: () => onAnswer(id, choice),
          }, choice === "positive" ? "+" : "−")
        ),
      ),
    );
  });
  container.replaceChildren(h(
    "table",
    { class: "predictions" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col", class: "number" }, "Rank"),
        h("th", { scope: "col" }, "Token"),
        h("td", {}),
        h("th", { scope: "col", class: "number" }, "Probability"),
        h("th", { scope: "col", class: "number logit" }, "Logit"),
        onAnswer === undefined ? null : h("th", { scope: "col" }, "Answer"),
      ),
    ),
    h("tbody", {}, rows),
  ));
}

function probabilityBar(probability, most) {
  return h("i", { style: { "--share": String(shareOf(probability, most)) } });
}

function sideBadge(side) {
  return h(
    "span",
    { class: `badge ${side}` },
    side === "positive" ? "+" : "−",
    h("span", { class: "unseen" }, ` ${side}`),
  );
}

/** The bar chart of features, and of what the SAE does not explain, per position. */
export function renderPositions(container, data, { sae = 0, position = null, onPosition } = {}) {
  const { features, error } = data.saes[sae].decomposition;
  const high = Math.max(0, ...features, ...error);
  const low = Math.min(0, ...features, ...error);
  const span = high - low || 1;
  const place = (value) => `${(100 * (high - value)) / span}%`;
  const column = (value, kind) =>
    h("i", {
      class: `${kind} ${sideOf(value)}`,
      style: { top: place(Math.max(value, 0)), height: `${(100 * Math.abs(value)) / span}%` },
    });
  const scale = largestOf([high, low]);
  const ticks = niceTicks(low, high, 6);
  const decimals = Math.max(0, -Math.floor(Math.log10(Math.abs(ticks[1] - ticks[0])) + 1e-9));
  const lines = ticks.map((tick) =>
    h(
      "div",
      { class: Math.abs(tick) < 1e-12 ? "line zero" : "line", style: { top: place(tick) } },
      h("span", {}, showTick(tick, decimals)),
    )
  );
  const columns = data.tokens.map((token, i) => {
    const name = showToken(token.text, token.id);
    const words = token.excluded
      ? "left out"
      : `features ${showSigned(features[i], scale)}, SAE error ${showSigned(error[i], scale)}`;
    return h(
      "li",
      {},
      h(
        "button",
        {
          type: "button",
          class: "column",
          title: `${i} ${name}: ${words}`,
          "data-key": `bar ${i}`,
          "aria-pressed": String(position === i),
          "aria-label": `Position ${i}, token ${name}: ${words}`,
          onclick: () => onPosition?.(position === i ? null : i),
        },
        h(
          "span",
          { class: "plot" },
          column(token.excluded ? 0 : features[i], "features"),
          column(token.excluded ? 0 : error[i], "error"),
        ),
        h("span", { class: "label" }, h("bdi", {}, name)),
      ),
    );
  });
  const many = data.tokens.length > 9 ? " many" : "";
  container.replaceChildren(
    h(
      "p",
      { class: "legend" },
      h("span", { class: "key positive" }),
      h("span", { class: "key negative" }),
      "features",
      h("span", { class: "key error" }),
      "what the SAE does not explain",
    ),
    h(
      "div",
      { class: `chart${many}` },
      h("div", { class: "lines", "aria-hidden": "true" }, lines),
      h("ol", { class: "columns", style: { "--count": String(data.tokens.length) } }, columns),
    ),
  );
}

function showTick(tick, decimals) {
  if (Math.abs(tick) < 1e-12) return "0";
  return (tick < 0 ? "−" : "") + (decimals > 5 ? Math.abs(tick).toExponential(0) : Math.abs(tick).toFixed(decimals));
}
