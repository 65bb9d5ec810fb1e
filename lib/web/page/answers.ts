/** The tokens and the next-token table, from which position and answers are chosen. */
import { h, keepingFocus, renderPredictions, renderTokens, showToken, type Side } from "../../report/client/mod.ts";
import type { ReportData, ReportPrediction } from "../../report/report_data.ts";
import type { PredictedToken, PredictionAnswer } from "../jobs.ts";
import { find } from "./find.ts";
import { labelWords } from "./settings.ts";
import { type Answers, type State, type TokenChoice, WITHOUT_ANSWERS } from "./state.ts";

/** Answers, and whether they are the model's own first choices. */
export interface ChosenAnswers extends Answers {
  readonly isImplied: boolean;
}

/** Tokens by id that are not among the first predictions. */
export type KnownTokens = ReadonlyMap<TokenChoice, PredictedToken | ReportPrediction>;

/** Changes a part of the state. */
type Choose = (part: Partial<State>) => void;

/** Shift held at the click that comes next: one more answer instead of another. */
let isAdding = false;
addEventListener("click", (event) => isAdding = event.shiftKey, { capture: true });

/** The answers that are explained: the chosen ones, else the model's first against its second. */
export function answersOf({ positive, negative, metric }: State, prediction: PredictionAnswer): ChosenAnswers {
  if (WITHOUT_ANSWERS.includes(metric)) return { positive: [], negative: [], isImplied: false };
  const isAlone = metric !== "";
  if (positive.length + negative.length > 0) {
    return { positive, negative: isAlone ? [] : negative, isImplied: false };
  }
  const [first, second] = prediction.predictions;
  return { positive: [first.id], negative: isAlone || second === undefined ? [] : [second.id], isImplied: true };
}

/** The answers after a click: another token on that side, one more with Shift, none if it was there. */
export function withAnswer(answers: ChosenAnswers, id: TokenChoice, side: Side, isMore = isAdding): Partial<Answers> {
  const other = side === "positive" ? "negative" : "positive";
  const isThere = answers[side].includes(id);
  const without = (tokens: readonly TokenChoice[]): TokenChoice[] => tokens.filter((token) => token !== id);
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
export function showPrediction(
  prediction: PredictionAnswer | undefined,
  state: State,
  known: KnownTokens,
  choose: Choose,
): void {
  find("tokens-panel").hidden = find("answers-panel").hidden = prediction === undefined;
  showNote(prediction?.warnings ?? []);
  if (prediction === undefined) return;
  const answers = answersOf(state, prediction);
  const data = viewOf(prediction, answers, known);
  keepingFocus(find("ask"), () => {
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
    find("predictions").hidden = prediction.predictions.length === 0;
    renderPredictions(find("predictions"), data, { onAnswer: (id, side) => choose(withAnswer(answers, id, side)) });
    showPicked(data, state, answers, choose);
  });
}

/** What the prompt or an answer has that may not have been meant. */
function showNote(warnings: readonly string[]): void {
  const note = find("prompt-note");
  note.textContent = warnings.map(labelWords).join(". ");
  note.hidden = warnings.length === 0;
}

type View = Pick<ReportData, "tokens" | "predictions" | "saes">;

/** The prediction in the form that the shared view knows, `ReportData` without SAEs. */
function viewOf({ tokens, predictions }: PredictionAnswer, { positive, negative }: Answers, known: KnownTokens): View {
  const sideOf = (id: number): Side | null =>
    positive.includes(id) ? "positive" : negative.includes(id) ? "negative" : null;
  const listed = new Set<TokenChoice>(predictions.map(({ id }) => id));
  const others = [...positive, ...negative].flatMap((id) => listed.has(id) ? [] : known.get(id) ?? []);
  return {
    tokens: tokens.map((token) => ({ ...token, excluded: false })),
    predictions: [...predictions, ...others].map((row) => ({ ...row, side: sideOf(row.id) })),
    saes: [],
  };
}

/** The answers in one line; chosen ones can be taken away. */
function showPicked(
  data: View,
  { metric }: State,
  { positive, negative, isImplied }: ChosenAnswers,
  choose: Choose,
): void {
  const names = new Map(data.predictions.map(({ id, token }) => [id, token]));
  const nameOf = (token: TokenChoice): string =>
    typeof token === "string" ? showToken(token, "?") : showToken(names.get(token) ?? "", token);
  const take = (token: TokenChoice) => (): void => {
    const without = (tokens: readonly TokenChoice[]): TokenChoice[] => tokens.filter((other) => other !== token);
    choose({ positive: without(positive), negative: without(negative) });
  };
  const chip = (side: Side, sign: string) => (token: TokenChoice): HTMLElement =>
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
export function connectOther(
  look: (text: string) => Promise<{ readonly id: TokenChoice } | undefined>,
  choose: (id: TokenChoice, side: Side) => void,
): void {
  const input = find("other", HTMLInputElement);
  const add = async (side: Side): Promise<void> => {
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
