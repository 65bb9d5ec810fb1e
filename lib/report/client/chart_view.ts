/** The bar chart per position. */
import { h } from "./dom.ts";
import { largestOf, niceTicks } from "./figures.ts";
import { showSigned, showToken } from "./format.ts";
import { sideOf } from "./pieces.ts";
import type { ReportData, ReportToken } from "../report_data.ts";
import type { ViewOptions } from "./view.ts";

/** With more columns than this, their labels stand upright. */
const LYING_LABELS = 9;

/** The bar chart of features, and of what the SAE does not explain, per position. */
export function renderPositions(
  container: Element,
  data: ReportData,
  { sae = 0, position = null, onPosition }: ViewOptions = {},
): void {
  const { features, error } = data.saes[sae].decomposition;
  const [high, low] = [Math.max(0, ...features, ...error), Math.min(0, ...features, ...error)];
  const columns = data.tokens.map((token, i) => {
    const values = token.excluded ? { features: 0, error: 0 } : { features: features[i], error: error[i] };
    const onclick = (): void => onPosition?.(position === i ? null : i);
    return h("li", {}, chartColumn(token, i, values, { high, low, isChosen: position === i, onclick }));
  });
  const many = data.tokens.length > LYING_LABELS ? " many" : "";
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
      h("div", { class: "lines", "aria-hidden": "true" }, chartLines(high, low)),
      h("ol", { class: "columns", style: { "--count": String(data.tokens.length) } }, columns),
    ),
  );
}

/** Where a value stands, from the top. */
function chartPlace(value: number, high: number, low: number): string {
  return `${(100 * (high - value)) / (high - low || 1)}%`;
}

function chartLines(high: number, low: number): HTMLElement[] {
  const ticks = niceTicks(low, high, 6);
  const decimals = Math.max(0, -Math.floor(Math.log10(ticks[1] - ticks[0]) + 1e-9));
  return ticks.map((tick) => {
    const isZero = Math.abs(tick) < 1e-12;
    const style = { top: chartPlace(tick, high, low) };
    return h("div", { class: isZero ? "line zero" : "line", style }, h("span", {}, showTick(tick, decimals)));
  });
}

function showTick(tick: number, decimals: number): string {
  const size = Math.abs(tick);
  if (size < 1e-12) return "0";
  return (tick < 0 ? "−" : "") + (decimals > 5 ? size.toExponential(0) : size.toFixed(decimals));
}

/** The scale of all columns, and what belongs to one. */
interface ColumnOptions {
  readonly high: number;
  readonly low: number;
  readonly isChosen: boolean;
  onclick(): void;
}

function chartColumn(
  token: ReportToken,
  i: number,
  { features, error }: { readonly features: number; readonly error: number },
  { high, low, isChosen, onclick }: ColumnOptions,
): HTMLElement {
  const name = showToken(token.text, token.id);
  const scale = largestOf([high, low]);
  const words = token.excluded
    ? "left out"
    : `features ${showSigned(features, scale)}, SAE error ${showSigned(error, scale)}`;
  const part = (value: number, kind: string): HTMLElement => {
    const top = chartPlace(Math.max(value, 0), high, low);
    const height = `${(100 * Math.abs(value)) / (high - low || 1)}%`;
    return h("i", { class: `${kind} ${sideOf(value)}`, style: { top, height } });
  };
  return h(
    "button",
    {
      type: "button",
      class: "column",
      title: `${i} ${name}: ${words}`,
      "data-key": `bar ${i}`,
      "aria-pressed": String(isChosen),
      "aria-label": `Position ${i}, token ${name}: ${words}`,
      onclick,
    },
    h("span", { class: "plot" }, part(features, "features"), part(error, "error")),
    h("span", { class: "label" }, h("bdi", {}, name)),
  );
}
