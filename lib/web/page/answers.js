/** The tokens and the next-token table, from which position and answers are chosen. */
import { h, renderPredictions, renderTokens, showToken } from "../../report/client/mod.js";
import { WITHOUT_ANSWERS } from "./state.js";

const find = (id) => document.getElementById(id);

/** Shift held at the click that comes next: one more answer instead of another. */
let isAdding = false;
addEventListener("click", (event) => isAdding = event.shiftKey, { capture: true });

/**
 * The answers that are explained: the chosen ones, else the model's first against its second.
 *
 * @returns `{ positive, negative, isImplied }`
 */
export function answersOf({ positive, negative, metric }, prediction) {
  if (WITHOUT_ANSWERS.includes(metric)) return { positive: [], negative: [], isImplied: false };
  const isAlone = metric !== "";
  if (positive.length + negative.length > 0) {
    return { positive, negative: isAlone ? [] : negative, isImplied: false };
  }
  const [first, second] = prediction.predictions;
  return { positive: [first.id], negative: isAlone || second === undefined ? [] : [second.id], isImplied: true };
}

/** The answers after a click: another token on that side, one more with Shift, none if it was there. */
export function withAnswer(answers, id, side, isMore = isAdding) {
  const other = side === "positive" ? "negative" : "positive";
  const isThere = answers[side].includes(id);
  const without = (tokens) => tokens.filter((token) => token !== id);
  const mine = isThere ? without(answers[side]) : isMore ? [...answers[side], id] : [id];
  // The implied opponent, chosen itself, changes places with what it was compared with.
  const isSwap = answers.isImplied && answers[other].includes(id);
  return { [side]: mine, [other]: isSwap ? answers[side] : without(answers[other]) };
}

/**
 * Shows a prediction.
 *
 * @param prediction the server's answer
 * @param known rows of tokens that are not among its first, by id
 * @param choose `choose(part of the state)`
 */
export function showPrediction(prediction, state, known, choose) {
  find("tokens-panel").hidden = find("answers-panel").hidden = prediction === undefined;
  showNote(prediction?.warnings ?? []);
  if (prediction === undefined) return;
  const answers = answersOf(state, prediction);
  const data = viewOf(prediction, answers, known);
  const key = document.activeElement?.dataset?.key;
  const form = find("ask");
  const last = prediction.tokens.length - 1;
  renderTokens(find("tokens"), data, {
    position: prediction.position,
    onPosition: (position) => choose({ position: position === null || position === last ? null : position }),
  });
  const at = prediction.tokens[prediction.position];
  find("answers-title").replaceChildren(
    "Next token after ",
    h("bdi", { class: "token-text" }, showToken(at.text, at.id)),
  );
  renderPredictions(find("predictions"), data, { onAnswer: (id, side) => choose(withAnswer(answers, id, side)) });
  showPicked(data, state, answers, choose);
  if (key !== undefined) form.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** What the prompt or an answer has that may not have been meant. */
function showNote(warnings) {
  const note = find("prompt-note");
  note.textContent = warnings.join(". ");
  note.hidden = warnings.length === 0;
}

/** The prediction in the form that the shared view knows, `ReportData` without SAEs. */
function viewOf({ tokens, predictions }, { positive, negative }, known) {
  const sideOf = (id) => positive.includes(id) ? "positive" : negative.includes(id) ? "negative" : null;
  const listed = new Set(predictions.map(({ id }) => id));
  const others = [...positive, ...negative].flatMap((id) => !listed.has(id) && known.has(id) ? [known.get(id)] : []);
  return {
    tokens: tokens.map((token) => ({ ...token, excluded: false })),
    predictions: [...predictions, ...others].map((row) => ({ ...row, side: sideOf(row.id) })),
    saes: [],
  };
}

/** The answers in one line; chosen ones can be taken away. */
function showPicked(data, { metric }, { positive, negative, isImplied }, choose) {
  const names = new Map(data.predictions.map(({ id, token }) => [id, token]));
  const nameOf = (token) =>
    typeof token === "string" ? showToken(token, "?") : showToken(names.get(token) ?? "", token);
  const take = (token) => () => {
    const without = (tokens) => tokens.filter((other) => other !== token);
    choose({ positive: without(positive), negative: without(negative) });
  };
  const chip = (side, sign) => (token) =>
    h(
      "span",
      { class: `answer ${side}${isImplied ? " implied" : ""}` },
      `${sign} `,
      h("bdi", {}, nameOf(token)),
      isImplied ? null : h("button", {
        type: "button",
        "aria-label": `Remove the ${side} answer ${nameOf(token)}`,
        onclick: take(token),
      }, "×"),
    );
  const needsNone = WITHOUT_ANSWERS.includes(metric);
  const note = needsNone ? "What is explained needs no answers." : isImplied ? "the model’s own first choices" : "";
  find("picked-answers").replaceChildren(
    ...positive.map(chip("positive", "+")),
    ...negative.map(chip("negative", "−")),
    ...(note === "" ? [] : [h("span", { class: "note" }, note)]),
  );
}

/** Connects "another token". `look(text)` finds its row, or throws. */
export function connectOther(look, choose) {
  const input = find("other");
  const add = async (side) => {
    if (input.value === "") return input.focus();
    const found = await look(input.value);
    if (found === undefined) return;
    input.value = "";
    choose(found.id, side);
  };
  find("other-positive").addEventListener("click", () => add("positive"));
  find("other-negative").addEventListener("click", () => add("negative"));
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    add("positive");
  });
}
