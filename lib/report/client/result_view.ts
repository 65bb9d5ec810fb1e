/** The whole result: all parts, the choice of SAE and position, and the feature card as a dialog. */
import { renderAccount } from "./account_view.ts";
import {
  type AnswerData,
  type AnswerOptions,
  dataOfTarget,
  hasAnswer,
  renderAnswer,
  renderMatrix,
  renderRecurring,
} from "./answer_view.ts";
import { type CardOptions, renderFeatureCard } from "./card_view.ts";
import { renderPositions } from "./chart_view.ts";
import { selectingCommand } from "./command_view.ts";
import { type Child, h } from "./dom.ts";
import { renderTopFeatures } from "./features_view.ts";
import { toCsvText } from "./figures.ts";
import { showSigned, showText, showToken } from "./format.ts";
import { renderPredictions } from "./predictions_view.ts";
import { renderTokens } from "./prompt_view.ts";
import { renderRows } from "./rows_view.ts";
import type { NamedToken, ReportData, ReportSae } from "../report_data.ts";
import type { ChangeParts, ViewState } from "./view.ts";

/** From here on the chart takes the whole width. */
const MANY_TOKENS = 24;

/** So many characters of an answer are in the title. */
const MOST_CHARACTERS = 120;

/** The question as a title. */
export function questionOf(
  { metric: { name, words, positiveTokens, negativeTokens }, answer }: Pick<ReportData, "metric" | "answer">,
): string {
  if (answer !== undefined) {
    const text = answer.targets.map(({ text, id }) => text === "" ? ` #${id}` : text).join("").trim();
    return `Why “${showText(text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text)}”?`;
  }
  const names = (tokens: readonly NamedToken[]): string => tokens.map(({ text, id }) => showToken(text, id)).join(", ");
  if (name === "logit_diff") return `Why ${names(positiveTokens)} and not ${names(negativeTokens)}?`;
  if (name === "logit" || name === "logprob" || name === "prob") return `Why ${names(positiveTokens)}?`;
  if (name === "target_logprob") return `Why ${positiveTokens.map(({ text, id }) => showToken(text, id)).join(" ")}?`;
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** How a result is shown. */
export interface ResultOptions {
  /** What is chosen at first. */
  readonly state?: Partial<ViewState>;
  /** The question stands above it. Default: yes. */
  readonly headings?: boolean;
  /** The next-token table is among the parts. Default: yes. */
  readonly predictions?: boolean;
  /** Called with the new state whenever the user chooses something. */
  onState?(state: ViewState): void;
  /** What runs the model again; without it the commands that do. */
  readonly change?: ChangeParts;
}

const PARTS = [
  "answer",
  "tokens",
  "scope",
  "predictions",
  "positions",
  "matrix",
  "features",
  "set",
  "recurring",
  "rows",
  "account",
] as const;

type Parts = Readonly<Record<typeof PARTS[number], Element>>;

/** Shows a result. */
export function renderResult(container: Element, data: ReportData, options: ResultOptions = {}): void {
  const { onState, headings = true, predictions = true, change: again } = options;
  const state: ViewState = { sae: 0, position: null, feature: null, ...options.state };
  const parts = Object.fromEntries(PARTS.map((name) => [name, h("div", { class: "part" })])) as unknown as Parts;
  const change = (next: Partial<ViewState>): void => {
    Object.assign(state, next);
    onState?.({ ...state });
  };
  const choose = (next: Partial<ViewState>): void => {
    change(next);
    const { length } = dataOfTarget(data, state.target ?? null).tokens;
    if (state.position !== null && state.position >= length) change({ position: null }); // it comes later
    draw();
  };
  const card = cardDialog(() => change({ feature: null }));
  const onFeature = (feature: number): void => {
    change({ feature });
    card.show(dataOfTarget(data, state.target ?? null), { sae: state.sae, feature, change: again });
  };
  const draw = (): void =>
    keepingFocus(container, () => {
      drawParts(parts, data, state, { choose, onFeature });
      drawSet(parts.set, dataOfTarget(data, state.target ?? null), state.sae, { again, onFeature });
    });
  container.replaceChildren(
    ...(headings ? [resultHead(data)] : []),
    warningsOf(data),
    ...resultSections(parts, data, { predictions, set: again !== undefined || data.changeCommands !== null }),
    card.dialog,
  );
  renderPredictionTables(parts.predictions, data);
  draw();
  if (state.feature !== null) onFeature(state.feature);
}

/** Which sections there are that not every view has. */
interface Sections {
  readonly predictions: boolean;
  readonly set: boolean;
}

function resultSections(parts: Parts, data: ReportData, { predictions, set }: Sections): HTMLElement[] {
  const answer = hasAnswer(data)
    ? [section(
      "Answer",
      "Each token with its probability. Choose one to see what spoke for it in the prompt and the answer before it.",
      parts.answer,
    )]
    : [];
  const prompt = section(
    hasAnswer(data) ? "Prompt, and the answer so far" : "Prompt",
    "Each token in the colour of its features’ summed attribution. Choose one to look at it alone.",
    parts.tokens,
    parts.scope,
  );
  const after = data.tokens[data.predictionsPosition];
  const title = after === undefined ? "Next token" : `Next token after ${showToken(after.text, after.id)}`;
  const next = predictions ? [section(title, "Rank 0 is the most probable.", parts.predictions)] : [];
  if (data.saes.length === 0) return [...answer, prompt, ...next];
  const positions = section("Attribution by position", null, parts.positions);
  const layout = data.tokens.length > MANY_TOKENS ? "two long" : "two";
  const matrix = hasAnswer(data)
    ? [section("Answer by position", "What each position says to each token of the answer.", parts.matrix)]
    : [];
  const recurring = hasAnswer(data)
    ? [section(
      "Features that recur",
      "Among the ten strongest of several tokens of the answer, with what they add up to.",
      parts.recurring,
    )]
    : [];
  return [
    ...answer,
    prompt,
    ...matrix,
    predictions ? h("div", { class: layout }, positions, next) : positions,
    section(
      "Features",
      "The strongest, with what they stand for where that is known. Choose one to open its card.",
      parts.features,
    ),
    ...(set
      ? [section(
        "The features that are enough",
        "The smallest set that by itself keeps the metric: all others are removed, and the model runs again.",
        parts.set,
      )]
      : []),
    ...recurring,
    section("All rows", null, parts.rows),
    section("Does it add up?", null, parts.account),
  ];
}

/** The next-token table, and of a longer continuation its tokens in their places. */
function renderPredictionTables(container: Element, data: ReportData): void {
  const [table, continuation] = [h("div"), h("div")];
  renderPredictions(table, data, {});
  container.replaceChildren(table);
  if (data.continuation.length < 2) return;
  renderPredictions(continuation, { predictions: data.continuation }, {});
  container.append(h("p", { class: "hint" }, "The continuation, each token after those before it:"), continuation);
}

/** What the user does. */
interface Choices {
  choose(next: Partial<ViewState>): void;
  onFeature(feature: number): void;
}

function drawParts(parts: Parts, whole: ReportData, state: ViewState, { choose, onFeature }: Choices): void {
  const data = dataOfTarget(whole, state.target ?? null);
  const options = {
    ...state,
    onPosition: (position: number | null) => choose({ position }),
    onSpecial: (special: boolean) => choose({ special }),
    onFeature,
  };
  if (hasAnswer(whole)) drawAnswer(parts, whole, options, choose);
  const tokens = h("div");
  renderTokens(tokens, data, options);
  parts.tokens.replaceChildren(saeChoice(data, state, (sae) => choose({ sae })), tokens);
  renderScope(parts.scope, data, state.position, () => choose({ position: null }));
  if (data.saes.length === 0) return;
  renderPositions(parts.positions, data, options);
  renderTopFeatures(parts.features, data, options);
  renderRows(parts.rows, data, options);
  renderAccount(parts.account, data, options);
}

/** A set of features, or the command that looks for one. */
function drawSet(
  container: Element,
  data: ReportData,
  sae: number,
  { again, onFeature }: { readonly again: ChangeParts | undefined; onFeature(feature: number): void },
): void {
  if (data.saes.length === 0) return;
  const part = again === undefined ? selectingCommand(data) : again.set(data, sae, onFeature);
  container.replaceChildren(part ?? "");
}

/** The parts that only an answer has. */
function drawAnswer(parts: Parts, data: AnswerData, options: AnswerOptions, choose: Choices["choose"]): void {
  const all = {
    ...options,
    onTarget: (target: number | null) => choose({ target }),
    onRowScale: (rowScale: boolean) => choose({ rowScale }),
    onCell: (target: number, position: number) => choose({ target, position }),
  };
  renderAnswer(parts.answer, data, all);
  if (data.saes.length === 0) return;
  renderMatrix(parts.matrix, data, all);
  renderRecurring(parts.recurring, data, all);
}

/** The key of the button that has the focus. */
export function focusedKey(): string | undefined {
  const { activeElement } = document;
  return activeElement instanceof HTMLElement ? activeElement.dataset.key : undefined;
}

/** Draws, and gives focus to what takes the place of the focused button. */
export function keepingFocus(container: Element, draw: () => void): void {
  const key = focusedKey();
  draw();
  if (key === undefined) return;
  container.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** The feature card as a dialog beside the page. */
function cardDialog(
  onClose: () => void,
): { dialog: HTMLDialogElement; show: (data: ReportData, options: CardOptions) => void } {
  const card = h("div", { class: "card" });
  const onclick = (event: Event): unknown => event.target === dialog && dialog.close();
  const dialog: HTMLDialogElement = h("dialog", { "aria-labelledby": "card-title", onclick, onclose: onClose }, card);
  const show = (data: ReportData, options: CardOptions): void => {
    renderFeatureCard(card, data, { ...options, onClose: () => dialog.close() });
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    card.querySelector("h2")?.focus({ preventScroll: true });
  };
  return { dialog, show };
}

function section(title: string, hint: string | null, ...content: Child[]): HTMLElement {
  return h("section", {}, h("h2", {}, title), hint === null ? null : h("p", { class: "hint" }, hint), content);
}

function resultHead(data: ReportData): HTMLElement {
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

function warningsOf({ warnings }: ReportData): HTMLElement | string {
  if (warnings.length === 0) return "";
  return h(
    "aside",
    { class: "warnings", "aria-label": "Warnings" },
    warnings.map((text) => h("p", {}, showText(text))),
  );
}

function saeChoice(
  { saes }: ReportData,
  state: ViewState,
  choose: (sae: number) => void,
): HTMLElement | string {
  if (saes.length === 0) return "";
  if (saes.length === 1) return h("p", { class: "sae-name" }, saeWords(saes[0]));
  const button = (sae: ReportSae, i: number): HTMLElement =>
    h(
      "button",
      {
        type: "button",
        "data-key": `sae ${i}`,
        "aria-pressed": String(i === state.sae),
        title: saeWords(sae),
        onclick: () => choose(i),
      },
      showText(sae.hook),
    );
  return h("div", { class: "saes", role: "group", "aria-label": "SAE" }, saes.map(button));
}

function saeWords({ source, hook, hookIn, architecture, dSae }: ReportSae): string {
  const at = source.endsWith(hook) ? "" : ` at ${hook}`;
  return showText(
    `SAE ${source}${at}, ${architecture}, ${dSae.toLocaleString("en-US")} features${
      hookIn === hook ? "" : `, reads ${hookIn}`
    }`,
  );
}

function renderScope(
  container: Element,
  { tokens }: ReportData,
  position: number | null,
  onAll: () => void,
): void {
  const words = (): Child[] => {
    if (position === null) return ["Showing all positions."];
    const { text, id } = tokens[position];
    return [
      `Showing position ${position} `,
      h("bdi", { class: "token-text" }, showToken(text, id)),
      " ",
      h("button", { type: "button", class: "link", onclick: onAll }, "Show all"),
    ];
  };
  container.replaceChildren(h("p", { class: "scope", role: "status" }, words()));
}

/** Offers a file. */
export function downloadFile(name: string, content: Blob): void {
  const address = URL.createObjectURL(content);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Offers a text as a file. */
export function downloadText(name: string, type: string, text: string): void {
  downloadFile(name, new Blob([text], { type }));
}

/** Buttons that download the rows as CSV and everything as JSON. */
export function renderDownloads(container: Element, data: ReportData): void {
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
