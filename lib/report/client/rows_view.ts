/** The long table with sorting and a filter. */
import { h } from "./dom.ts";
import { largestOf } from "./figures.ts";
import { showCount, showNumber, showSigned, showText, showToken } from "./format.ts";
import { bar, sideOf, tokenHead } from "./pieces.ts";
import type { ReportData, ReportRows, ReportSae } from "../report_data.ts";
import type { ViewOptions } from "./view.ts";

/** Rows at first; four times as many more at a time. */
const PAGE_ROWS = 25;

/** By container, how its table is sorted and filtered: kept when it is drawn anew. */
const rowStates = new WeakMap<Element, RowState>();

type SortKey = "position" | "feature" | "label" | Measure;

interface RowState {
  readonly sort: SortKey;
  readonly descending: boolean;
  readonly filter: string;
  /** So many rows are shown. */
  readonly shown: number;
}

/** The table of one SAE. */
interface RowTable {
  readonly data: ReportData;
  readonly rows: ReportRows;
  readonly labels: Readonly<Record<string, string>>;
  readonly isLabelled: boolean;
  /** Names of the tokens. */
  readonly tokens: readonly string[];
  readonly largest: Readonly<Record<Measure, number>>;
  open(feature: number): void;
}

type Change = (next: Partial<RowState>) => void;

/** The long table with sorting and a filter. */
export function renderRows(
  container: Element,
  data: ReportData,
  { sae = 0, position = null, onFeature }: ViewOptions = {},
): void {
  const of = data.saes[sae];
  const table: RowTable = {
    data,
    rows: of.rows,
    labels: of.labels,
    isLabelled: Object.keys(of.labels).length > 0,
    tokens: data.tokens.map(({ text, id }) => showToken(text, id)),
    largest: {
      attribution: largestOf(of.rows.attribution),
      activation: largestOf(of.rows.activation),
      gradient: largestOf(of.rows.gradient),
      directEffect: largestOf(of.rows.directEffect ?? []),
    },
    open: (feature) => onFeature?.(feature, sae),
  };
  const state: RowState = {
    sort: "attribution",
    descending: true,
    filter: "",
    ...rowStates.get(container),
    shown: PAGE_ROWS,
  };
  rowStates.set(container, state);
  const change: Change = (next) => {
    Object.assign(state, { shown: PAGE_ROWS, ...next });
    draw();
  };
  const heads = rowHeads(table, state, change);
  const body = h("tbody");
  const count = h("p", { class: "count muted", role: "status" });
  const more = h("button", {
    type: "button",
    class: "more",
    onclick: () => change({ shown: state.shown + 4 * PAGE_ROWS }),
  });
  const draw = (): void => {
    const found = foundRows(table, state, position);
    for (const head of heads) markSorted(head, state);
    body.replaceChildren(...found.slice(0, state.shown).map((i) => rowLine(table, i)));
    count.textContent = countWords(found.length, of);
    more.hidden = found.length <= state.shown;
    more.textContent = `Show more (${(found.length - state.shown).toLocaleString("en-US")} left)`;
  };
  draw();
  const head = h("thead", {}, h("tr", {}, heads));
  container.replaceChildren(
    h("div", { class: "controls" }, filterInput(table, state, change), count),
    h(
      "div",
      { class: "scroll", role: "region", "aria-label": "All rows", tabindex: "0" },
      h("table", { class: "rows" }, head, body),
    ),
    more,
  );
}

/** Names, titles and classes of the columns. */
function rowColumns({ isLabelled, rows }: RowTable): (readonly [name: SortKey, title: string, kind: string])[] {
  return [
    ["position", "Token", ""],
    ["feature", "Feature", "number"],
    ...(isLabelled ? [["label", "Stands for", ""] as const] : []),
    ["activation", "Activation", "number roomy"],
    ["gradient", "Gradient", "number roomy"],
    ["attribution", "Attribution", "number"],
    ...(rows.directEffect === undefined ? [] : [["directEffect", "Direct effect", "number roomy"] as const]),
  ];
}

/** Columns of measurements are first sorted with their largest on top. */
const MEASURES = ["activation", "gradient", "attribution", "directEffect"] as const;
type Measure = typeof MEASURES[number];

function isMeasure(name: SortKey): boolean {
  return MEASURES.some((measure) => measure === name);
}

function rowHeads(table: RowTable, state: RowState, change: Change): HTMLElement[] {
  return rowColumns(table).map(([name, title, kind]) => {
    const sort = (): void =>
      change({ sort: name, descending: state.sort === name ? !state.descending : isMeasure(name) });
    const button = h(
      "button",
      { type: "button", class: "sort", onclick: sort },
      title,
      h("span", { class: "arrow", "aria-hidden": "true" }),
    );
    return h("th", { scope: "col", class: kind, "data-column": name }, button);
  });
}

function markSorted(head: HTMLElement, { sort, descending }: RowState): void {
  if (head.dataset.column === sort) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  else head.removeAttribute("aria-sort");
}

function filterInput({ isLabelled }: RowTable, state: RowState, change: Change): HTMLElement {
  const input: HTMLInputElement = h("input", {
    type: "search",
    placeholder: isLabelled ? "token, feature or meaning" : "token or feature",
    "aria-label": "Filter the rows",
    autocomplete: "off",
    oninput: () => change({ filter: input.value }),
  });
  input.value = state.filter;
  return input;
}

/** Indices of the rows that the filter lets through, sorted; rows that compare equal keep their order. */
function foundRows(
  { rows, labels, tokens }: RowTable,
  { sort, descending, filter }: RowState,
  position: number | null,
): number[] {
  const words = filter.trim().toLowerCase();
  const textOf = (i: number): string =>
    `${tokens[rows.position[i]]} #${rows.feature[i]} ${labels[rows.feature[i]] ?? ""}`;
  const found: number[] = [];
  for (let i = 0; i < rows.feature.length; i++) {
    if (position !== null && rows.position[i] !== position) continue;
    if (words === "" || textOf(i).toLowerCase().includes(words)) found.push(i);
  }
  const keys = sort === "label"
    ? rows.feature.map((feature) => labels[feature] ?? "\uffff")
    : rows[sort] ?? rows.attribution;
  const sign = descending ? -1 : 1;
  return found.sort((i, k) => keys[i] < keys[k] ? -sign : keys[i] > keys[k] ? sign : i - k);
}

function countWords(found: number, { rows, rowsLeftOut }: ReportSae): string {
  const all = rows.feature.length;
  const left = rowsLeftOut > 0 ? `; ${showCount(rowsLeftOut, "smaller row")} left out of this report` : "";
  return `${found === all ? "" : `${found.toLocaleString("en-US")} of `}${showCount(all, "row")}${left}`;
}

function rowLine({ data, rows, labels, isLabelled, largest, open }: RowTable, i: number): HTMLElement {
  const [position, feature, attribution] = [rows.position[i], rows.feature[i], rows.attribution[i]];
  const link = h("button", { type: "button", class: "link", onclick: () => open(feature) }, String(feature));
  const isGuess = rows.exact?.[i] === false; // beside rows that are exact
  const shown = showSigned(attribution, largest.attribution);
  const value = h(
    "span",
    {
      class: `${sideOf(attribution)}-text`,
      ...(isGuess ? { title: "an estimate; the others are exact effects" } : {}),
    },
    isGuess ? `≈ ${shown}` : shown,
  );
  return h(
    "tr",
    {},
    tokenHead(data, position),
    h("td", { class: "number" }, link),
    isLabelled ? h("td", { class: "label" }, showText(labels[feature] ?? "")) : null,
    h("td", { class: "number roomy muted" }, showNumber(rows.activation[i], largest.activation)),
    h("td", { class: "number roomy muted" }, showSigned(rows.gradient[i], largest.gradient)),
    h(
      "td",
      { class: "number" },
      h("span", { class: "signed" }, bar(attribution, largest.attribution, true), value),
    ),
    rows.directEffect === undefined
      ? null
      : h("td", { class: "number roomy muted" }, showSigned(rows.directEffect[i], largest.directEffect)),
  );
}
