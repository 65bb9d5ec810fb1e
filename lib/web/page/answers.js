/** The tokens and the next-token table, from which position and answers are chosen. */
import { h, renderPredictions, renderTokens, showToken } from "../../report/client/mod.js";

const find = (id) => document.getElementById(id);

/**
 * Shows a prediction.
 *
 * @param prediction the server's answer, and those of the metric's tokens that were looked up, by id, in `known`
 * @param choose `choose(part of the state)`
 */
export function showPrediction(prediction, state, known, choose) {
  find("tokens-panel").hidden = find("answers-panel").hidden = prediction === undefined;
  if (prediction === undefined) return;
  const data = viewOf(prediction, state, known);
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
  renderPredictions(find("predictions"), data, { onAnswer: (id, side) => choose(withAnswer(state, id, side)) });
  showPicked(data, state, choose);
  if (key !== undefined) form.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
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

/** The state's part with a token on one side; once more takes it away. */
export function withAnswer({ positive, negative }, id, side) {
  const isThere = (side === "positive" ? positive : negative).includes(id);
  const [pos, neg] = [positive, negative].map((tokens) => tokens.filter((other) => other !== id));
  if (isThere) return { positive: pos, negative: neg };
  return side === "positive" ? { positive: [...pos, id], negative: neg } : { positive: pos, negative: [...neg, id] };
}

/** The answers as they are, each with a button that takes it away. */
function showPicked(data, { positive, negative }, choose) {
  const names = new Map(data.predictions.map(({ id, token }) => [id, token]));
  const nameOf = (token) =>
    typeof token === "string" ? showToken(token, "?") : showToken(names.get(token) ?? "", token);
  const chip = (side, sign) => (token) =>
    h(
      "span",
      { class: `answer ${side}` },
      `${sign} `,
      h("bdi", {}, nameOf(token)),
      h("button", {
        type: "button",
        "aria-label": `Remove the ${side} answer ${nameOf(token)}`,
        onclick: () => {
          const without = (tokens) => tokens.filter((other) => other !== token);
          choose({ positive: without(positive), negative: without(negative) });
        },
      }, "×"),
    );
  const isChosen = positive.length + negative.length > 0;
  find("picked-answers").replaceChildren(
    ...(isChosen
      ? [...positive.map(chip("positive", "+")), ...negative.map(chip("negative", "−"))]
      : [h("p", { class: "note" }, "The first against the second, unless you choose: + for, − against.")]),
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
