/**
 * The view of one run in the browser: every part is a function `render…(container, data, options)` that replaces what is
 * in the container. Buttons that a redraw replaces have a `data-key`, by which focus is given back.
 */
export { h, s } from "./dom.ts";
export { renderTokens } from "./prompt_view.ts";
export { renderPredictions, type Side } from "./predictions_view.ts";
export { renderPositions } from "./chart_view.ts";
export { renderTopFeatures } from "./features_view.ts";
export { renderRows } from "./rows_view.ts";
export { renderFeatureCard } from "./card_view.ts";
export { dataOfTarget } from "./answer_view.ts";
export { renderAccount } from "./account_view.ts";
export {
  downloadFile,
  downloadText,
  focusedKey,
  keepingFocus,
  questionOf,
  renderDownloads,
  renderResult,
} from "./result_view.ts";
export { DOWNLOAD_COLUMNS, downloadColumns, featureTotals, toCsvText } from "./figures.ts";
export { showNumber, showPercent, showSigned, showToken } from "./format.ts";
export type { ChangeParts, ViewState } from "./view.ts";
