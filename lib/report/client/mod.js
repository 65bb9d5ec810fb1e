/**
 * The view of one run in the browser: every part is a function `render…(container, data, options)` that replaces what is
 * in the container. `data` is `ReportData` (lib/report/data.ts). The report has these modules inlined, one after another
 * with `import` and `export` taken off; the local page serves them as they are. Top-level names are therefore unique over
 * all modules, imports are of these modules only and not renamed, and nothing happens when a module is loaded.
 *
 * Common options: `sae` (index into data.saes, default 0), `position` (the chosen position, null: all),
 * `onPosition(position or null)`, `onFeature(feature, sae)`. Buttons that a redraw replaces have a `data-key`, by which
 * focus is given back.
 */
export { h, s } from "./dom.js";
export { renderTokens } from "./prompt_view.js";
export { renderPredictions } from "./predictions_view.js";
export { renderPositions } from "./chart_view.js";
export { renderTopFeatures } from "./features_view.js";
export { renderRows } from "./rows_view.js";
export { renderFeatureCard } from "./card_view.js";
export { renderAccount } from "./account_view.js";
export { downloadText, questionOf, renderDownloads, renderResult } from "./result_view.js";
export { DOWNLOAD_COLUMNS, featureTotals, toCsvText } from "./figures.js";
export { showNumber, showPercent, showSigned, showToken } from "./format.js";
