/** The strongest features, and the long table with sorting and a filter. */
import { h } from "./dom.js";
import { featureTotals, largestOf } from "./figures.js";
import { showCount, showNumber, showSigned, showText, showToken } from "./format.js";
import { bar, sideOf } from "./prompt_view.js";

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
        h("span", { class: `badge ${side}`, "aria-hidden": "true" }, side === "positive" ? "+" : "−"),
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

const PAGE_ROWS = 25;

/** The long table with sorting and a filter. */
export function renderRows(container, data, { sae = 0, position = null, onFeature } = {}) {
  const { rows, labels, rowsLeftOut } = data.saes[sae];
  const largest = {
    attribution: largestOf(rows.attribution),
    activation: largestOf(rows.activation),
    gradient: largestOf(rows.gradient),
  };
  const tokens = data.tokens.map(({ text, id }) => showToken(text, id));
  const state = { sort: "attribution", descending: true, filter: "", shown: PAGE_ROWS };
  const compare = {
    position: (i, k) => rows.position[i] - rows.position[k] || rows.feature[i] - rows.feature[k],
    feature: (i, k) => rows.feature[i] - rows.feature[k] || rows.position[i] - rows.position[k],
    label: (i, k) => compareTexts(labels[rows.feature[i]] ?? "\uffff", labels[rows.feature[k]] ?? "\uffff"),
    activation: (i, k) => rows.activation[i] - rows.activation[k],
    gradient: (i, k) => rows.gradient[i] - rows.gradient[k],
    attribution: (i, k) => rows.attribution[i] - rows.attribution[k],
  };
  const isLabelled = Object.keys(labels).length > 0;
  const columns = [
    ["position", "Token", ""],
    ["feature", "Feature", "number"],
    ...(isLabelled ? [["label", "Stands for", ""]] : []),
    ["activation", "Activation", "number roomy"],
    ["gradient", "Gradient", "number roomy"],
    ["attribution", "Attribution", "number"],
  ];
  const found = () => {
    const words = state.filter.toLowerCase();
    const matches = (i) =>
      (position === null || rows.position[i] === position) &&
      (words === "" ||
        `${tokens[rows.position[i]]} #${rows.feature[i]} ${labels[rows.feature[i]] ?? ""}`.toLowerCase().includes(
          words,
        ));
    const picked = rows.feature.map((_, i) => i).filter(matches);
    const sign = state.descending ? -1 : 1;
    return picked.sort((i, k) => sign * compare[state.sort](i, k) || i - k);
  };
  const rowOf = (i) =>
    h(
      "tr",
      {},
      h(
        "th",
        { scope: "row" },
        h("bdi", { class: "token-text" }, tokens[rows.position[i]]),
        h("sub", {}, String(rows.position[i])),
      ),
      h(
        "td",
        { class: "number" },
        h("button", {
          type: "button",
          class: "link",
          onclick: () => onFeature?.(rows.feature[i], sae),
        }, String(rows.feature[i])),
      ),
      isLabelled ? h("td", { class: "label" }, showText(labels[rows.feature[i]] ?? "")) : null,
      h("td", { class: "number roomy muted" }, showNumber(rows.activation[i], largest.activation)),
      h("td", { class: "number roomy muted" }, showSigned(rows.gradient[i], largest.gradient)),
      h(
        "td",
        { class: "number" },
        h(
          "span",
          { class: "signed" },
          bar(rows.attribution[i], largest.attribution, true),
          h(
            "span",
            { class: `${sideOf(rows.attribution[i])}-text` },
            showSigned(rows.attribution[i], largest.attribution),
          ),
        ),
      ),
    );
  const heads = columns.map(([name, title, kind]) =>
    h(
      "th",
      { scope: "col", class: kind, "data-column": name },
      h(
        "button",
        {
          type: "button",
          class: "sort",
          onclick: () => {
            state.descending = state.sort === name ? !state.descending : kind !== "" && name !== "feature";
            state.sort = name;
            state.shown = PAGE_ROWS;
            draw();
          },
        },
        title,
        h("span", { class: "arrow", "aria-hidden": "true" }),
      ),
    )
  );
  const body = h("tbody");
  const count = h("p", { class: "count muted", role: "status" });
  const more = h("button", {
    type: "button",
    class: "more",
    onclick: () => {
      state.shown += 4 * PAGE_ROWS;
      draw();
    },
  });
  const filter = h("input", {
    type: "search",
    placeholder: isLabelled ? "token, feature or meaning" : "token or feature",
    "aria-label": "Filter the rows",
    autocomplete: "off",
    oninput: () => {
      state.filter = filter.value.trim();
      state.shown = PAGE_ROWS;
      draw();
    },
  });
  const draw = () => {
    const all = found();
    for (const head of heads) {
      const isSorted = head.dataset.column === state.sort;
      if (isSorted) head.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    body.replaceChildren(...all.slice(0, state.shown).map(rowOf));
    const left = rowsLeftOut > 0 ? `; ${showCount(rowsLeftOut, "smaller row")} left out of this report` : "";
    count.textContent = `${all.length === rows.feature.length ? "" : `${all.length.toLocaleString("en-US")} of `}${
      showCount(rows.feature.length, "row")
    }${left}`;
    more.hidden = all.length <= state.shown;
    more.textContent = `Show more (${(all.length - state.shown).toLocaleString("en-US")} left)`;
  };
  draw();
  container.replaceChildren(
    h("div", { class: "controls" }, filter, count),
    h(
      "div",
      { class: "scroll", role: "region", "aria-label": "All rows", tabindex: "0" },
      h("table", { class: "rows" }, h("thead", {}, h("tr", {}, heads)), body),
    ),
    more,
  );
}

function compareTexts(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
