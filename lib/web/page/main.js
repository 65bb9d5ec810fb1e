/** The local page: what the user chooses becomes a request, its answer becomes the view. */
import {
  downloadColumns,
  downloadText,
  h,
  questionOf,
  renderDownloads,
  renderFeatureCard,
  renderResult,
} from "../../report/client/mod.js";
import { answersOf, connectOther, showPrediction, withAnswer } from "./answers.js";
import { getJson, runJob } from "./api.js";
import { connectQuestion, firstSae } from "./ask.js";
import { forgetAll, readHistory, remember } from "./history.js";
import {
  attributeBody,
  missingText,
  NOTHING,
  predictBody,
  readState,
  SETTINGS,
  WITHOUT_ANSWERS,
  writeState,
} from "./state.js";
import { complain, eventWords, say } from "./status.js";

/** A model that answers in this time answers while one types; others wait for the button. */
const LIVE_MS = 2500;
const TYPING_MS = 350;
/** So many features per SAE get their tokens and contexts at once. */
const CARDS = 150;
/** What an empty address begins with. */
const EXAMPLE = { prompt: " Tiger Woods plays the sport of" };

const find = (id) => document.getElementById(id);

let state = { ...NOTHING };
let server;
/** The last prediction, and the request that it is the answer to. */
let prediction;
let predictedFor;
/** Rows of tokens that are not among the predictions, by id. */
const known = new Map();
/** Models and SAEs that are here, or have been used. */
const atHand = new Set();
/** How long the last run took, by model. */
const took = new Map();
let running = new AbortController();
let timer;

const question = connectQuestion((part) => change(part));
connectOther(lookUp, (id, side) => prediction && change(withAnswer(answersOf(state, prediction), id, side)));
start().catch((error) => complain(error.message));

async function start() {
  server = await getJson("/api/status");
  for (const name of server.local) atHand.add(name);
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
  find("copy-command").addEventListener("click", ({ target }) => copy(shown.command, target));
  find("copy-link").addEventListener("click", ({ target }) => copy(location.href, target));
  showHistory();
  restore(location.hash);
}

/** Takes up a state from an address, and runs it where that costs little. */
function restore(hash) {
  const read = readState(hash);
  const isEmpty = read.prompt === "";
  state = { ...read, ...(isEmpty ? EXAMPLE : {}) };
  if (state.model === "") state = { ...state, model: server.model };
  if (state.saes.length === 0 && state.model === server.model) state = { ...state, saes: server.saes };
  prediction = undefined;
  question.show(state);
  // A link must not make this machine download a model.
  if (isLive()) run();
  else say("Press Explain to run this.");
}

/** A run that downloads nothing, and does not take long as far as is known. */
function isLive() {
  const { model, saes } = state;
  return [model, ...saes].every((name) => atHand.has(name)) &&
    (server.bundled.includes(model) || !(took.get(model) >= LIVE_MS));
}

/** After a change of these, what was looked at in the old result means nothing. */
const CHAT = ["chat", "system", "assistantPrefix"];
const OTHER_TOKENS = ["prompt", "model", "saes", "bos", "truncate", ...CHAT];
/** What one types is not run at every letter. */
const TYPED = ["prompt", ...Object.keys(SETTINGS).filter((key) => SETTINGS[key].choices === undefined)];

/** The user chose something. */
function change(part) {
  const isOtherModel = part.model !== undefined && part.model !== state.model;
  const isOtherResult = OTHER_TOKENS.some((key) => key in part);
  const view = isOtherResult ? NOTHING.view : { ...state.view, feature: null };
  state = { ...state, ...part, view };
  if (CHAT.some((key) => key in part)) state.position = null; // the template moves all tokens
  writeAddressSoon();
  question.show(state);
  if (isOtherModel) {
    prediction = undefined;
    known.clear();
    firstSae(state.model).then((saes) => saes.length > 0 && change({ saes }), () => {});
  }
  showPrediction(prediction, state, known, change);
  find("result").dataset.stale = "yes"; // what is shown answers another question
  clearTimeout(timer);
  running.abort();
  if (isLive()) timer = setTimeout(run, TYPED.some((key) => key in part) ? TYPING_MS : 0);
  else say("Press Explain to run this.");
}

let addressTimer;

/** Browsers do not like an address that changes with every letter. */
function writeAddressSoon() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(writeAddress, TYPING_MS);
}

function writeAddress() {
  clearTimeout(addressTimer);
  history.replaceState(null, "", writeState(state));
}

async function submit(event) {
  event.preventDefault();
  clearTimeout(timer);
  await run();
  // On a phone the result is below the question.
  const { top } = find("result").getBoundingClientRect();
  if (top > 0.6 * innerHeight && shown !== undefined) find("result").scrollIntoView({ behavior: "smooth" });
}

/** Predicts and attributes; a run before it is given up. */
async function run() {
  running.abort();
  const mine = running = new AbortController();
  complain("");
  writeAddress();
  if (state.prompt === "") return say("Type a prompt.");
  find("cancel").hidden = false;
  find("result").setAttribute("aria-busy", "true");
  try {
    await runAll(state, mine.signal);
  } catch (error) {
    if (mine.signal.aborted) return;
    say("");
    complain(error.message);
  } finally {
    if (running === mine) {
      find("cancel").hidden = true;
      find("result").removeAttribute("aria-busy");
    }
  }
}

async function runAll(asked, signal) {
  const started = performance.now();
  let ranSince;
  const onEvent = (event) => {
    const words = eventWords(event);
    if (words !== undefined) say(words);
    if (event.type === "running") ranSince ??= performance.now();
  };
  const wanted = JSON.stringify(predictBody(asked));
  if (prediction === undefined || predictedFor !== wanted) {
    ({ prediction } = await runJob("/api/predict", predictBody(asked), { signal, onEvent }));
    predictedFor = wanted;
  }
  showPrediction(prediction, state, known, change);
  const answers = answersOf(asked, prediction);
  if (asked.saes.length === 0) return say("Add an SAE to explain the prediction.");
  const missing = missingText(asked);
  if (missing !== undefined) return say(missing);
  if (!WITHOUT_ANSWERS.includes(asked.metric) && answers.positive.length === 0) {
    return say("Choose with + the answer to explain.");
  }
  let isShown = false;
  const onReport = (event) => {
    onEvent(event);
    if (event.type !== "report" || isShown) return;
    isShown = true;
    showReport(event.report, asked, answers);
  };
  const body = { ...attributeBody(asked, answers), cards: CARDS };
  const { report } = await runJob("/api/attribute", body, { signal, onEvent: onReport });
  took.set(asked.model, performance.now() - ranSince);
  for (const name of [asked.model, ...asked.saes]) atHand.add(name);
  addCards(report);
  say(`Done in ${((performance.now() - started) / 1000).toFixed(2)} s.`);
}

/** The report on the page; its cards may still be missing. */
let shown;

function showReport(report, asked, answers) {
  shown = report;
  for (const sae of report.saes) sae.noLogits ??= "Still being computed …";
  if (!answers.isImplied && !WITHOUT_ANSWERS.includes(asked.metric)) keepAnswers(report.metric, report.predictions);
  const { sae, position, feature } = state.view;
  const at = report.saes[sae] === undefined ? 0 : sae;
  renderResult(find("view"), report, {
    predictions: false, // they stand beside the question
    state: {
      sae: at,
      position: position !== null && position < report.tokens.length ? position : null,
      feature: report.saes[at].rows.feature.includes(feature) ? feature : null,
    },
    onState: (view) => {
      state = { ...state, view };
      writeAddress();
    },
  });
  delete find("result").dataset.stale;
  find("downloads").hidden = false;
  renderDownloads(find("download-buttons"), report);
  if (report.saes.some(({ rowsLeftOut }) => rowsLeftOut > 0)) {
    const onclick = ({ target }) => downloadAll(target, asked, answers);
    find("download-buttons").append(h("button", { type: "button", onclick }, "Download all rows as CSV"));
  }
  document.title = `${questionOf(report)} sae-attribution`;
  const idsOf = (tokens) => tokens.map(({ id }) => id);
  const { positiveTokens, negativeTokens } = report.metric;
  const needsNone = WITHOUT_ANSWERS.includes(asked.metric);
  const chosen = needsNone ? {} : { positive: idsOf(positiveTokens), negative: idsOf(negativeTokens) };
  const hash = writeState({ ...asked, ...chosen, view: NOTHING.view });
  remember({ hash, title: questionOf(report), note: asked.prompt });
  showHistory();
}

/** The page has the strongest rows only; the server writes all of them. */
async function downloadAll(button, asked, answers) {
  button.disabled = true;
  try {
    const body = { ...attributeBody(asked, answers), format: "csv", columns: downloadColumns(shown) };
    const { text } = await runJob("/api/attribute", body, { signal: new AbortController().signal, onEvent: () => {} });
    downloadText("attribution.csv", "text/csv", text);
  } catch (error) {
    complain(error.message);
  } finally {
    button.disabled = false;
  }
}

/** Answers given as texts become ids, and the table shows those that are not among the first. */
function keepAnswers({ positiveTokens, negativeTokens }, predictions) {
  for (const row of predictions) known.set(row.id, row);
  const [positive, negative] = [[state.positive, positiveTokens], [state.negative, negativeTokens]]
    .map(([chosen, tokens]) => chosen.length === 0 ? chosen : tokens.map(({ id }) => id));
  state = { ...state, positive, negative };
  showPrediction(prediction, state, known, change);
}

/** The first report of a run comes without cards, the second one brings them. */
function addCards(report) {
  report.saes.forEach(({ cards, noLogits }, i) => Object.assign(shown.saes[i], { cards, noLogits }));
  const dialog = find("view").querySelector("dialog[open]");
  const { sae, feature } = state.view;
  if (dialog === null || feature === null) return;
  const isFocused = document.activeElement?.id === "card-title";
  renderFeatureCard(dialog.firstElementChild, shown, { sae, feature, onClose: () => dialog.close() });
  if (isFocused) find("card-title").focus({ preventScroll: true });
}

/** A token by its text, with its place among the predictions. */
async function lookUp(text) {
  complain("");
  try {
    const body = { ...predictBody(state), answer: text };
    const { prediction: found } = await runJob("/api/predict", body, {
      signal: new AbortController().signal,
      onEvent: () => {},
    });
    known.set(found.answer.id, found.answer);
    if (prediction !== undefined) prediction = { ...prediction, warnings: found.warnings };
    return found.answer;
  } catch (error) {
    complain(error.message);
  }
}

function showHistory() {
  const entries = readHistory();
  find("history").hidden = entries.length === 0;
  find("history-list").replaceChildren(
    ...entries.map(({ hash, title, note }) =>
      h("li", {}, h("a", { href: hash }, h("bdi", {}, title)), " ", h("bdi", { class: "note" }, note))
    ),
  );
}

async function copy(text, button) {
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copying is not allowed here";
  }
  setTimeout(() => button.textContent = words, 2000);
}
