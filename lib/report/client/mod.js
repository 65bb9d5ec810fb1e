/**
 * The view of one run in the browser: every part is a function `render…(container, data, options)` that replaces what is
 * in the container. `data` is `ReportData` (lib/report/data.ts). The report has these modules inlined, one after another
 * with `import` and `export` taken off; the local page serves them as they are. Top-level names are therefore unique over
 * all modules, imports are of these modules only and not renamed, and nothing happens when a module is loaded.
 *
 * Common options: `sae` (index into data.saes, default 0), `position` (the chosen position, null: all),
 * `onPosition(position or null)`, `onFeature(feature, sae)`.
 */
export { h, s } from "./dom.js";

/** The prompt's tokens as buttons, coloured by their summed attribution (plain while data.saes is empty). */
export function renderTokens(container, data, options) {}

/** The next-token table. With `onAnswer(token id, "positive" | "negative")`, each row has buttons that choose it. */
export function renderPredictions(container, data, options) {}

/** The bar chart of features (and of the SAE's error) per position. */
export function renderPositions(container, data, options) {}

/** The features that speak most for and against, over all positions or at the chosen one. */
export function renderTopFeatures(container, data, options) {}

/** The long table with sorting and a filter. */
export function renderRows(container, data, options) {}

/** One feature: where it is active here, tokens raised and lowered, contexts, Neuronpedia (only once opened). */
export function renderFeatureCard(container, data, options) {}

/** Decomposition, fit and error share in figures and words. */
export function renderAccount(container, data, options) {}

/**
 * All of the above together, with the feature card as a dialog. Calls `onState({ sae, position, feature })` when the user
 * chooses something; starts from `state` of the same form.
 */
export function renderResult(container, data, options) {}

/** The long table as CSV text: columns as `attribute --columns` names them. */
export function toCsvText(data, columns) {}
