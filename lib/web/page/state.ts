/**
 * What the user chose, and how it stands in the page's address (after the #, so that it is sent nowhere).
 */

import type { ViewState } from "../../report/client/view.ts";
import type { EngineBody } from "./engine.ts";

/** The methods, as the API names them. */
export const METHODS = ["frozen-pattern", "relp", "relp-no-ah-rule", "integrated-gradients"];

/** One of the settings. */
export interface Setting {
  readonly id: string;
  readonly choices?: readonly string[];
  readonly of?: readonly [other: SettingKey, choice: string];
  readonly property?: string;
  readonly json?: Readonly<Record<string, boolean>>;
  readonly isOfRun?: boolean;
}

/** Which settings there are. */
export type SettingKey =
  | "chat"
  | "system"
  | "assistantPrefix"
  | "metric"
  | "targetText"
  | "method"
  | "baseline"
  | "baselinePrompt"
  | "directEffect"
  | "bos"
  | "processing"
  | "special"
  | "truncate"
  | "errorTerm";

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

/**
 * Settings, each with a control of that `id`, which is its key in the address too. `""`: as usual. A setting takes one of
 * its `choices`, or any text; `of` says which choice of another setting it belongs to. `property` of the API is what it
 * becomes, where `json` says the choices' values; of those `isOfRun` the prediction too.
 */
export const SETTINGS: Readonly<Record<SettingKey, Setting>> = {
  chat: { id: "chat", choices: ["yes"], property: "chat", json: { yes: true }, isOfRun: true },
  system: { id: "system", of: ["chat", "yes"], property: "system", isOfRun: true },
  assistantPrefix: { id: "assistant-prefix", of: ["chat", "yes"], property: "assistant_prefix", isOfRun: true },
  metric: { id: "metric", choices: ["logprob", "prob", "target-text", "loss", "kl"] },
  targetText: { id: "target-text", of: ["metric", "target-text"] },
  method: { id: "method", choices: METHODS, property: "method" },
  baseline: { id: "baseline", choices: ["mean", "prompt"] },
  baselinePrompt: { id: "baseline-prompt", of: ["baseline", "prompt"] },
  directEffect: { id: "direct-effect", choices: ["yes"], property: "direct_effect", json: { yes: true } },
  bos: { id: "bos", choices: ["yes", "no"], property: "prepend_bos", json: { yes: true, no: false }, isOfRun: true },
  processing: { id: "processing", choices: ["default", "none"], property: "processing", isOfRun: true },
  special: {
    id: "special",
    choices: ["yes", "no"],
    property: "exclude_special_tokens",
    json: { yes: false, no: true },
  },
  truncate: { id: "truncate", choices: ["yes"], property: "truncate", json: { yes: true }, isOfRun: true },
  errorTerm: { id: "error-term", choices: ["no"], property: "error_term", json: { no: false } },
};

/** Metrics that need no answers. */
export const WITHOUT_ANSWERS: readonly string[] = ["loss", "kl", "target-text"];

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
  view: { sae: 0, position: null, feature: null },
};

/** A value for every setting. */
function settings(value: (setting: Setting) => string): Record<SettingKey, string> {
  const entries = Object.entries(SETTINGS).map(([key, setting]) => [key, value(setting)]);
  return Object.fromEntries(entries) as Record<SettingKey, string>;
}

/** The state in an address's hash; what is not understood is left out. */
export function readState(hash: string): State {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const whole = (name: string): number | null => {
    const text = query.get(name);
    return text !== null && /^\d{1,7}$/.test(text) ? Number(text) : null;
  };
  const tokens = (side: string): TokenChoice[] => [
    ...query.getAll(side).filter((text) => text !== ""),
    ...query.getAll(`${side}-id`).filter((text) => /^\d{1,9}$/.test(text)).map(Number),
  ];
  return {
    prompt: query.get("prompt") ?? "",
    model: query.get("model") ?? "",
    saes: query.getAll("sae"),
    position: whole("position"),
    positive: tokens("pos"),
    negative: tokens("neg"),
    top: Math.min(100, Math.max(1, whole("top") ?? NOTHING.top)),
    ...settings(({ id, choices }) => {
      const value = query.get(id) ?? "";
      return choices === undefined || choices.includes(value) ? value : "";
    }),
    view: { sae: whole("view-sae") ?? 0, position: whole("view-position"), feature: whole("view-feature") },
  };
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
  const { sae, position, feature } = state.view;
  if (sae > 0) query.set("view-sae", String(sae));
  if (position !== null) query.set("view-position", String(position));
  if (feature !== null) query.set("view-feature", String(feature));
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

/** The properties of settings. */
function properties(state: State, isWanted: (setting: Setting) => boolean | undefined): EngineBody {
  const wanted = settingEntries().filter(([key, setting]) =>
    setting.property !== undefined && isWanted(setting) && isSet(state, key)
  );
  return Object.fromEntries(
    wanted.map(([key, { property, json }]) => [property, json === undefined ? state[key] : json[state[key]]]),
  );
}

/** The part of a request that says on what it runs. */
export function runFields(state: State): EngineBody {
  const { prompt, model, saes } = state;
  return {
    prompt,
    ...(model === "" ? {} : { model }),
    ...(saes.length === 0 ? {} : { saes }),
    ...properties(state, ({ isOfRun }) => isOfRun),
  };
}

/** The body of a prediction. */
export function predictBody(state: State): EngineBody {
  return { ...runFields(state), top: state.top, ...(state.position === null ? {} : { position: state.position }) };
}

/** What is still to be typed before there is something to explain; undefined: nothing. */
export function missingText({ metric, targetText, baseline, baselinePrompt }: State): string | undefined {
  if (metric === "target-text" && targetText === "") return "Type the continuation to explain.";
  if (baseline === "prompt" && baselinePrompt === "") return "Type the prompt to compare with.";
}

/** The body of an attribution to some answers. */
export function attributeBody(state: State, { positive, negative }: Answers): EngineBody {
  const { metric: name, targetText, baseline, baselinePrompt, position } = state;
  const metric = {
    ...(name === "" ? {} : { name }),
    ...(name === "target-text" ? { text: targetText } : {}),
    ...(WITHOUT_ANSWERS.includes(name) ? {} : { positive, negative }),
    ...(name === "loss" || name === "target-text" || position === null ? {} : { position }),
  };
  return {
    ...runFields(state),
    metric,
    ...(baseline === "" ? {} : { baseline: baseline === "prompt" ? `prompt:${baselinePrompt}` : baseline }),
    ...(name === "kl" ? { error_term: false } : {}), // there is no divergence with it
    ...properties(state, ({ isOfRun }) => !isOfRun),
  };
}
