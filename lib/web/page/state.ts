/**
 * What the user chose, and how it stands in the page's address (after the #, so that it is sent nowhere).
 */

import type { ViewState } from "../../report/client/view.ts";
import type { EngineBody } from "./engine.ts";
import { propertyOf, type Setting, type SettingKey, settingProblem, SETTINGS } from "./settings.ts";

/** A token: its id, or its text. */
export type TokenChoice = number | string;

/** The tokens to explain, and those that they are compared with. */
export interface Answers {
  readonly positive: readonly TokenChoice[];
  readonly negative: readonly TokenChoice[];
}

/** What is chosen. */
export interface State extends Answers, Readonly<Record<SettingKey, string>> {
  readonly prompt: string;
  /** Empty: the engine's. */
  readonly model: string;
  /** Empty: the model's own. */
  readonly saes: readonly string[];
  /** After which token; null: the last. */
  readonly position: number | null;
  readonly top: number;
  /** What is looked at in the result. */
  readonly view: Readonly<ViewState>;
}

/** Metrics that need no answers. */
export const WITHOUT_ANSWERS: readonly string[] = ["loss", "kl", "target-text", "answer", "generate", "weights"];

/** Nothing chosen yet; the model and the SAEs are the server's. */
export const NOTHING: State = {
  prompt: "",
  model: "",
  saes: [],
  position: null,
  positive: [], // both empty: the model's first prediction against its second
  negative: [],
  top: 10,
  ...settings(() => ""),
  view: { sae: 0, position: null, feature: null, target: null },
};

/** A value for every setting. */
function settings(value: (setting: Setting) => string): Record<SettingKey, string> {
  const entries = Object.entries(SETTINGS).map(([key, setting]) => [key, value(setting)]);
  return Object.fromEntries(entries) as Record<SettingKey, string>;
}

/** Whole numbers as addresses have them. */
const [POSITION, ID] = [/^\d{1,7}$/, /^\d{1,9}$/];

/** The state in an address's hash or query; what is not understood is left out. */
export function readState(hash: string): State {
  const query = new URLSearchParams(hash.replace(/^[#?]/, ""));
  const whole = (name: string): number | null => {
    const text = query.get(name);
    return text !== null && POSITION.test(text) ? Number(text) : null;
  };
  const tokens = (side: string): TokenChoice[] => [
    ...query.getAll(side).filter((text) => text !== ""),
    ...query.getAll(`${side}-id`).filter((text) => ID.test(text)).map(Number),
  ];
  return {
    prompt: query.get("prompt") ?? "",
    model: query.get("model") ?? "",
    saes: query.getAll("sae"),
    position: whole("position"),
    positive: tokens("pos"),
    negative: tokens("neg"),
    top: Math.min(100, Math.max(1, whole("top") ?? NOTHING.top)),
    ...settings(({ id, values }) => {
      const value = query.get(id) ?? "";
      return values === undefined || values.includes(value) ? value : "";
    }),
    view: {
      sae: whole("view-sae") ?? 0,
      position: whole("view-position"),
      feature: whole("view-feature"),
      target: whole("view-target"),
    },
  };
}

/** What {@linkcode readState} leaves out though it has a name that is known, for the user; undefined: nothing. */
export function addressProblem(hash: string): string | undefined {
  const query = new URLSearchParams(hash.replace(/^[#?]/, ""));
  const rules: [name: string, isKnown: (value: string) => boolean][] = [
    ["position", (value) => POSITION.test(value)],
    ["pos-id", (value) => ID.test(value)],
    ["neg-id", (value) => ID.test(value)],
    ...settingEntries().map(([, { id, values, field }]): (typeof rules)[number] => [
      id,
      (value) => values === undefined || values.includes(value) || value === field.default,
    ]),
  ];
  for (const [name, isKnown] of rules) {
    const lost = query.getAll(name).find((value) => value !== "" && !isKnown(value));
    if (lost !== undefined) return `“${name}=${lost}” in the address means nothing here`;
  }
}

/** The hash of a state, without what is as usual. */
export function writeState(state: State): string {
  const query = new URLSearchParams();
  if (state.prompt !== "") query.set("prompt", state.prompt);
  if (state.model !== "") query.set("model", state.model);
  for (const sae of state.saes) query.append("sae", sae);
  if (state.position !== null) query.set("position", String(state.position));
  for (const [side, tokens] of [["pos", state.positive], ["neg", state.negative]] as const) {
    for (const token of tokens) query.append(typeof token === "number" ? `${side}-id` : side, String(token));
  }
  if (state.top !== NOTHING.top) query.set("top", String(state.top));
  for (const [key, { id }] of settingEntries()) if (isSet(state, key)) query.set(id, state[key]);
  const { sae, position, feature, target = null } = state.view;
  if (sae > 0) query.set("view-sae", String(sae));
  if (position !== null) query.set("view-position", String(position));
  if (feature !== null) query.set("view-feature", String(feature));
  if (target !== null) query.set("view-target", String(target));
  return `#${query}`;
}

/** The settings with their keys. */
export function settingEntries(): [SettingKey, Setting][] {
  return Object.entries(SETTINGS) as [SettingKey, Setting][];
}

/** Whether a setting is not as usual, and the choice that it belongs to is made. */
export function isSet(state: State, key: SettingKey): boolean {
  return state[key] !== "" && isShown(state, key);
}

/** Whether a setting has something to belong to. */
export function isShown(state: State, key: SettingKey): boolean {
  const { of } = SETTINGS[key];
  return of === undefined || state[of[0]] === of[1];
}

/** Settings that become a property as they are; the others are parts of one. */
const PARTS: readonly SettingKey[] = ["metric", "targetText", "baseline", "baselinePrompt"];

/** The properties of settings. */
function properties(state: State, isWanted: (setting: Setting) => boolean): EngineBody {
  const wanted = settingEntries().filter(([key, setting]) =>
    !PARTS.includes(key) && isWanted(setting) && isSet(state, key)
  );
  return Object.fromEntries(wanted.map(([key]) => propertyOf(key, state[key])));
}

/** The part of a request that says on what it runs. */
function runFields(state: State): EngineBody {
  const { prompt, model, saes } = state;
  return {
    ...(state.tokenIds === "" ? { prompt } : {}),
    ...(model === "" ? {} : { model }),
    ...(saes.length === 0 ? {} : { saes }),
    ...properties(state, ({ isOfRun }) => isOfRun),
  };
}

/** The body of a prediction. */
export function predictBody(state: State): EngineBody {
  return { ...runFields(state), top: state.top, ...(state.position === null ? {} : { position: state.position }) };
}

/** What is still to be typed before there is something to explain, or is wrong; undefined: nothing. */
export function missingText(state: State): string | undefined {
  const { metric, targetText, answerText, generate, tokenWeight, idWeight, baseline, baselinePrompt } = state;
  if (metric === "answer" && answerText === "") return "Type the answer to explain.";
  if (metric === "generate" && generate === "") return "Type how many tokens the model shall say.";
  if (metric === "target-text" && targetText === "") return "Type the continuation to explain.";
  if (metric === "weights" && tokenWeight + idWeight === "") return "Type tokens with their weights, such as golf=0.5.";
  if (baseline === "prompt" && baselinePrompt === "") return "Type the prompt to compare with.";
}

/** The first setting that cannot be understood; undefined: none. */
export function problemOf(state: State): string | undefined {
  for (const [key] of settingEntries()) {
    const problem = isSet(state, key) ? settingProblem(key, state[key]) : undefined;
    if (problem !== undefined) return problem;
  }
}

/** The body of an attribution to some answers. */
export function attributeBody(state: State, { positive, negative }: Answers): EngineBody {
  const { metric: name, targetText, baseline, baselinePrompt, position } = state;
  const hasWeights = name === "weights";
  const metric = {
    ...(name === "" ? {} : { name }),
    ...(name === "target-text" ? { text: targetText } : {}),
    ...(WITHOUT_ANSWERS.includes(name) ? {} : { positive, negative }),
    ...(name === "loss" || name === "target-text" || position === null ? {} : { position }),
  };
  return {
    ...runFields(state),
    ...(name === "answer" || name === "generate"
      ? {}
      : hasWeights
      ? position === null ? {} : { metric_position: position }
      : { metric }),
    ...(baseline === "" ? {} : { baseline: baseline === "prompt" ? `prompt:${baselinePrompt}` : baseline }),
    ...properties(state, ({ isOfRun }) => !isOfRun),
    ...(name === "kl" ? { error_term: false } : {}), // there is no divergence with it
  };
}
