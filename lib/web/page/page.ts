/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The page: what the user chooses becomes a request, its answer becomes the view. */
import {
  type ChangeParts,
  dataOfTarget,
  questionOf,
  renderFeatureCard,
  renderResult,
  type Side,
  type ViewState,
} from "../../report/client/mod.ts";
import type { ReportData, ReportMetric, ReportPrediction, ReportSae } from "../../report/report_data.ts";
import type { PredictedToken, PredictionAnswer } from "../jobs.ts";
import { answersOf, type ChosenAnswers, connectOther, showPrediction, withAnswer } from "./answers.ts";
import { connectQuestion, firstSae } from "./ask.ts";
import { connectBegin, showBegin } from "./begin.ts";
import { changeParts } from "./change/parts.ts";
import { connectCopies, showDownloads } from "./share/downloads.ts";
import { embed, isEmbedded, linkWholePage } from "./share/embed.ts";
import type { Engine, EngineEvent, EngineStatus, JobOptions } from "./engine.ts";
import { find } from "./find.ts";
import { Prices } from "./price.ts";
import { labelWords } from "./settings.ts";
import { forgetAll, remember, showHistory } from "./history.ts";
import {
  addressProblem,
  attributeBody,
  missingText,
  NOTHING,
  predictBody,
  problemOf,
  readState,
  settingEntries,
  type State,
  type TokenChoice,
  WITHOUT_ANSWERS,
  writeState,
} from "./state.ts";
import { complain, eventWords, say, showProgress, wordsOf } from "./status.ts";

/** A model that answers in this time answers while one types; others wait for the button. */
const LIVE_MS = 2500;
const TYPING_MS = 350;
/** So many features per SAE get their tokens and contexts at once. */
const CARDS = 150;
/** What an empty address begins with. */
const EXAMPLE = { prompt: " Tiger Woods plays the sport of" };

/** Who answers, and what it said at first. */
let engine: Engine;
let status: EngineStatus;
let state: State = { ...NOTHING };
/** The last prediction, and the request that it is the answer to. */
let prediction: PredictionAnswer | undefined;
let predictedFor: string | undefined;
/** Rows of tokens that are not among the predictions, by id. */
const known = new Map<TokenChoice, PredictedToken | ReportPrediction>();
/** Models and SAEs that are here, or have been used. */
const atHand = new Set<string>();
/** How long the last run took, by model. */
const took = new Map<string, number>();
let running = new AbortController();
let timer: ReturnType<typeof setTimeout> | undefined;
let question: ReturnType<typeof connectQuestion>;
let prices: Prices;

/** Starts the page with who is to answer it. */
export function startPage(answering: Engine): void {
  engine = answering;
  question = connectQuestion(engine, change);
  connectOther(lookUp, choose);
  start().catch((error) => complain(wordsOf(error)));
}

function choose(id: TokenChoice, side: Side): void {
  const answers = prediction === undefined ? { ...state, isImplied: false } : answersOf(state, prediction);
  change(withAnswer(answers, id, side));
}

async function start(): Promise<void> {
  status = await engine.status();
  for (const name of status.local) atHand.add(name);
  prices = new Prices(engine, status);
  connectBegin(engine, status, change, showQuestion);
  find("table").addEventListener("click", () => {
    prices.wantTable(state.model);
    run();
  });
  addEventListener("hashchange", () => restore(location.hash));
  addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  });
  find("ask").addEventListener("submit", submit);
  find("cancel").addEventListener("click", () => {
    running.abort();
    say("Cancelled.");
  });
  find("forget").addEventListener("click", () => {
    forgetAll();
    showHistory();
  });
  for (const link of document.querySelectorAll<HTMLAnchorElement>('a[href="#result"]')) {
    link.addEventListener("click", (event) => {
      event.preventDefault(); // the address is the question's
      find("result").focus();
    });
  }
  connectCopies(() => shown?.command ?? "");
  if (isEmbedded()) embed();
  showHistory();
  restore(location.hash.length > 1 ? location.hash : location.search);
}

/** Takes up a state from an address, and runs it where that costs little. */
function restore(hash: string): void {
  const read = readState(hash);
  const isEmpty = read.prompt === "";
  state = { ...read, ...(isEmpty ? EXAMPLE : {}) };
  if (state.model === "") state = { ...state, model: status.model };
  if (state.saes.length === 0 && state.model === status.model) state = { ...state, saes: status.saes };
  prediction = undefined;
  showQuestion();
  const problem = addressProblem(hash);
  complain(problem ?? "");
  // A link must not make this machine download a model, and says what it means.
  if (isLive() && problem === undefined) run();
  else say("Press Explain to run this.");
}

function showQuestion(): void {
  question.show(state);
  showBegin(state);
  prices.show(state.model, attributeBody(state, state));
}

/** A run that downloads nothing, and does not take long as far as is known. */
function isLive(): boolean {
  const { model, saes } = state;
  return [model, ...saes].every((name) => atHand.has(name)) &&
    (status.bundled.includes(model) || (took.get(model) ?? 0) < LIVE_MS);
}

/** After a change of these, what was looked at in the old result means nothing. */
const CHAT = ["chat", "system", "assistantPrefix", "chatVariable"];
const OTHER_TOKENS = ["prompt", "tokenIds", "model", "revision", "saes", "prependBos", "truncate", ...CHAT];
/** What one types is not run at every letter. */
const TYPED = ["prompt", ...settingEntries().flatMap(([key, { values }]) => values === undefined ? [key] : [])];

/** The user chose something. */
function change(part: Partial<State>): void {
  const isOtherModel = part.model !== undefined && part.model !== state.model;
  const isOtherResult = OTHER_TOKENS.some((key) => key in part);
  const view = isOtherResult ? NOTHING.view : { ...state.view, feature: null };
  state = { ...state, ...part, view };
  if (CHAT.some((key) => key in part)) state = { ...state, position: null }; // the template moves all tokens
  writeAddressSoon();
  showQuestion();
  if (isOtherModel) {
    prediction = undefined;
    known.clear();
    if (state.saes.length === 0) {
      firstSae(engine, state.model).then((saes) => saes.length > 0 && change({ saes }), () => {});
    }
  }
  showPrediction(prediction, state, known, change);
  find("result").dataset.stale = "yes"; // what is shown answers another question
  clearTimeout(timer);
  giveUp();
  if (isLive()) timer = setTimeout(run, TYPED.some((key) => key in part) ? TYPING_MS : 0);
  else say("Press Explain to run this.");
}

let addressTimer: ReturnType<typeof setTimeout> | undefined;

/** Browsers do not like an address that changes with every letter. */
function writeAddressSoon(): void {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(writeAddress, TYPING_MS);
}

function writeAddress(): void {
  clearTimeout(addressTimer);
  const hash = writeState(state);
  history.replaceState(null, "", hash);
  linkWholePage(hash);
}

async function submit(event: Event): Promise<void> {
  event.preventDefault();
  clearTimeout(timer);
  await run();
  // On a phone the result is below the question.
  const { top } = find("result").getBoundingClientRect();
  if (top > 0.6 * innerHeight && shown !== undefined) find("result").scrollIntoView({ behavior: "smooth" });
}

/** Gives up the run, and what is asked about the result before it. */
function giveUp(): void {
  running.abort();
  changes.abort();
  changes = new AbortController();
}

/** Predicts and attributes; a run before it is given up. */
async function run(): Promise<void> {
  giveUp();
  const mine = running = new AbortController();
  complain("");
  writeAddress();
  if (state.prompt === "" && state.tokenIds === "") return say("Type a prompt.");
  find("cancel").hidden = false;
  find("result").setAttribute("aria-busy", "true");
  try {
    await runAll(state, mine.signal);
  } catch (error) {
    if (mine.signal.aborted) return;
    say("");
    complain(wordsOf(error));
  } finally {
    if (running === mine) {
      find("cancel").hidden = true;
      showProgress(undefined);
      find("result").removeAttribute("aria-busy");
    }
  }
}

async function runAll(asked: State, signal: AbortSignal): Promise<void> {
  const started = performance.now();
  let ranSince: number | undefined;
  const onEvent = (event: EngineEvent): void => {
    const words = eventWords(event);
    showProgress(event);
    if (words !== undefined) say(words);
    if (event.type === "running") ranSince ??= performance.now();
  };
  const problem = problemOf(asked);
  if (problem !== undefined) throw new RangeError(problem);
  const needsNone = WITHOUT_ANSWERS.includes(asked.metric);
  // Without answers the table says which.
  const hasTable = prices.hasTable(asked.model) || (!needsNone && asked.positive.length + asked.negative.length === 0);
  if (hasTable) await predict(asked, { signal, onEvent });
  const answers = prediction === undefined || !hasTable ? { ...asked, isImplied: false } : answersOf(asked, prediction);
  if (asked.saes.length === 0) return say("Add an SAE to explain the prediction.");
  const missing = missingText(asked);
  if (missing !== undefined) return say(missing);
  if (!needsNone && answers.positive.length === 0) {
    return say("Choose with + the answer to explain.");
  }
  let isShown = false;
  const onReport = (event: EngineEvent): void => {
    onEvent(event);
    if (event.type !== "report" || isShown) return;
    isShown = true;
    showReport(event.report, asked, answers, hasTable);
  };
  const body = { ...attributeBody(asked, answers), ...(hasTable ? { cards: CARDS } : { cards: 0, predictions: 0 }) };
  const answer = await engine.attribute(body, { signal, onEvent: onReport });
  took.set(asked.model, performance.now() - (ranSince ?? started));
  for (const name of [asked.model, ...asked.saes]) atHand.add(name);
  if (answer.type === "report") addCards(answer.report);
  prices.show(asked.model, attributeBody(state, state));
  find("result").dispatchEvent(new Event("answered"));
  say(`Done in ${((performance.now() - started) / 1000).toFixed(2)} s.`);
}

/** The next-token table, if it is not there already. */
async function predict(asked: State, options: JobOptions): Promise<void> {
  const wanted = JSON.stringify(predictBody(asked));
  if (prediction === undefined || predictedFor !== wanted) {
    ({ prediction } = await engine.predict(predictBody(asked), options));
    predictedFor = wanted;
  }
  void prices.offerTable(false, {});
  showPrediction(prediction, state, known, change);
}

/** A report whose cards come later. */
type ShownSae = Omit<ReportSae, "cards" | "noLogits"> & { -readonly [K in "cards" | "noLogits"]: ReportSae[K] };
type ShownReport = ReportData & { readonly saes: readonly ShownSae[] };

/** The report on the page, and what runs the model again for it. */
let shown: ShownReport | undefined;
let again: ChangeParts | undefined;
let changes = new AbortController();

function showReport(told: ReportData, asked: State, answers: ChosenAnswers, hasTable: boolean): void {
  const warnings = told.warnings.map(labelWords);
  const model = { ...told.model, processing: labelWords(told.model.processing) };
  const saes = told.saes.map((sae) => ({
    ...sae,
    noLogits: sae.noLogits ?? (hasTable ? "Still being computed …" : "They come with the next tokens."),
  }));
  const report = shown = { ...told, model, warnings, saes };
  if (!hasTable) showWithoutTable(report, asked);
  else if (!answers.isImplied && !WITHOUT_ANSWERS.includes(asked.metric)) {
    keepAnswers(report.metric, report.predictions);
  }
  again = changeParts({ engine, body: attributeBody(asked, answers), hasTable, signal: () => changes.signal });
  const { sae, position, feature } = state.view;
  const at = report.saes[sae] === undefined ? 0 : sae;
  renderResult(find("view"), report, {
    predictions: false, // they stand beside the question
    change: again,
    state: {
      sae: at,
      position: position !== null && position < report.tokens.length ? position : null,
      feature: feature !== null && report.saes[at].rows.feature.includes(feature) ? feature : null,
    },
    onState: (view: ViewState) => {
      state = { ...state, view };
      writeAddress();
    },
  });
  delete find("result").dataset.stale;
  showDownloads(report, (rows) => engine.attribute({ ...attributeBody(asked, answers), ...rows }, QUIETLY));
  find("see").hidden = false;
  find("see").textContent = `${questionOf(report)} ↓`;
  document.title = `${questionOf(report)} sae-attribution`;
  const idsOf = (tokens: ReportMetric["positiveTokens"]): number[] => tokens.map(({ id }) => id);
  const { positiveTokens, negativeTokens } = report.metric;
  const needsNone = WITHOUT_ANSWERS.includes(asked.metric);
  const chosen = needsNone ? {} : { positive: idsOf(positiveTokens), negative: idsOf(negativeTokens) };
  const hash = writeState({ ...asked, ...chosen, view: NOTHING.view });
  remember({ hash, title: questionOf(report), note: asked.prompt });
  showHistory();
}

/** The tokens, and a click for the table. */
function showWithoutTable({ model, tokens, predictionsPosition }: ReportData, asked: State): void {
  const settings = { prepend_bos: null, truncate: false, processing: model.processing };
  const said = { model, saes: [], settings, tokens, position: predictionsPosition, answer: null, warnings: [] };
  prediction = undefined;
  showPrediction({ ...said, predictions: [] }, state, known, change);
  void prices.offerTable(true, predictBody(asked));
}

/** A job whose progress nobody follows. */
const QUIETLY = { signal: new AbortController().signal, onEvent: () => {} };

/** Answers given as texts become ids, and the table shows those that are not among the first. */
function keepAnswers(
  { positiveTokens, negativeTokens }: ReportMetric,
  predictions: readonly ReportPrediction[],
): void {
  for (const row of predictions) known.set(row.id, row);
  const idsOf = (chosen: readonly TokenChoice[], tokens: ReportMetric["positiveTokens"]): readonly TokenChoice[] =>
    chosen.length === 0 ? chosen : tokens.map(({ id }) => id);
  const [positive, negative] = [idsOf(state.positive, positiveTokens), idsOf(state.negative, negativeTokens)];
  state = { ...state, positive, negative };
  showPrediction(prediction, state, known, change);
}

/** The first report of a run comes without cards, the second one brings them. */
function addCards({ saes }: ReportData): void {
  if (shown === undefined) return;
  for (const [i, { cards, noLogits }] of saes.entries()) Object.assign(shown.saes[i], { cards, noLogits });
  const dialog = find("view").querySelector<HTMLDialogElement>("dialog[open]");
  const { sae, feature } = state.view;
  if (dialog === null || feature === null) return;
  const { activeElement } = document;
  const isTitle = activeElement?.id === "card-title";
  const data = dataOfTarget(shown, state.view.target ?? null);
  renderFeatureCard(dialog.firstElementChild!, data, { sae, feature, change: again, onClose: () => dialog.close() });
  const focused = isTitle ? find("card-title") : activeElement;
  if (focused instanceof HTMLElement && dialog.contains(focused)) focused.focus({ preventScroll: true });
}

/** A token by its text, with its place among the predictions where there are some. */
async function lookUp(text: string): Promise<{ readonly id: TokenChoice } | undefined> {
  complain("");
  if (prediction === undefined) return { id: text };
  try {
    const body = { ...predictBody(state), answer: text };
    const { prediction: found } = await engine.predict(body, QUIETLY);
    if (found.answer === null) return undefined;
    known.set(found.answer.id, found.answer);
    if (prediction !== undefined) prediction = { ...prediction, warnings: found.warnings };
    return found.answer;
  } catch (error) {
    complain(wordsOf(error));
  }
}
