/**
 * What the user chose, and how it stands in the page's address (after the #, so that it is sent nowhere).
 */

/** The methods, as the API names them. */
export const METHODS = ["frozen-pattern", "relp", "relp-no-ah-rule", "integrated-gradients"];

/**
 * Settings, each with a control of that `id`, which is its key in the address too. `""`: as usual. A setting takes one of
 * its `choices`, or any text; `of` says which choice of another setting it belongs to. `property` of the API is what it
 * becomes, where `json` says the choices' values; of those `isOfRun` the prediction too.
 */
export const SETTINGS = {
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
export const WITHOUT_ANSWERS = ["loss", "kl", "target-text"];

/** Nothing chosen yet; the model and the SAEs are the server's. */
export const NOTHING = {
  prompt: "",
  /** Empty: the server's. */
  model: "",
  /** Empty: the model's own. */
  saes: [],
  /** After which token; null: the last. */
  position: null,
  /** Token ids, or texts of tokens; both empty: the model's first prediction against its second. */
  positive: [],
  negative: [],
  top: 10,
  ...Object.fromEntries(Object.keys(SETTINGS).map((key) => [key, ""])),
  /** What is looked at in the result. */
  view: { sae: 0, position: null, feature: null },
};

/** The state in an address's hash; what is not understood is left out. */
export function readState(hash) {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const whole = (name) => {
    const text = query.get(name);
    return text !== null && /^\d{1,7}$/.test(text) ? Number(text) : null;
  };
  const tokens = (side) => [
    ...query.getAll(side).filter((text) => text !== ""),
    ...query.getAll(`${side}-id`).filter((text) => /^\d{1,9}$/.test(text)).map(Number),
  ];
  const settings = Object.entries(SETTINGS).map(([key, { id, choices }]) => {
    const value = query.get(id) ?? "";
    return [key, choices === undefined || choices.includes(value) ? value : ""];
  });
  return {
    prompt: query.get("prompt") ?? "",
    model: query.get("model") ?? "",
    saes: query.getAll("sae"),
    position: whole("position"),
    positive: tokens("pos"),
    negative: tokens("neg"),
    top: Math.min(100, Math.max(1, whole("top") ?? NOTHING.top)),
    ...Object.fromEntries(settings),
    view: { sae: whole("view-sae") ?? 0, position: whole("view-position"), feature: whole("view-feature") },
  };
}

/** The hash of a state, without what is as usual. */
export function writeState(state) {
  const query = new URLSearchParams();
  if (state.prompt !== "") query.set("prompt", state.prompt);
  if (state.model !== "") query.set("model", state.model);
  for (const sae of state.saes) query.append("sae", sae);
  if (state.position !== null) query.set("position", state.position);
  for (const [side, tokens] of [["pos", state.positive], ["neg", state.negative]]) {
    for (const token of tokens) query.append(typeof token === "number" ? `${side}-id` : side, token);
  }
  if (state.top !== NOTHING.top) query.set("top", state.top);
  for (const [key, { id }] of Object.entries(SETTINGS)) if (isSet(state, key)) query.set(id, state[key]);
  const { sae, position, feature } = state.view;
  if (sae > 0) query.set("view-sae", sae);
  if (position !== null) query.set("view-position", position);
  if (feature !== null) query.set("view-feature", feature);
  return `#${query}`;
}

/** Whether a setting is not as usual, and the choice that it belongs to is made. */
export function isSet(state, key) {
  return state[key] !== "" && isShown(state, key);
}

/** Whether a setting has something to belong to. */
export function isShown(state, key) {
  const { of: [other, choice] = [] } = SETTINGS[key];
  return other === undefined || state[other] === choice;
}

/** The properties of settings. */
function properties(state, isWanted) {
  const wanted = Object.entries(SETTINGS).filter(([key, setting]) =>
    setting.property !== undefined && isWanted(setting) && isSet(state, key)
  );
  return Object.fromEntries(
    wanted.map(([key, { property, json }]) => [property, json === undefined ? state[key] : json[state[key]]]),
  );
}

/** The part of a request that says on what it runs. */
export function runFields(state) {
  const { prompt, model, saes } = state;
  return {
    prompt,
    ...(model === "" ? {} : { model }),
    ...(saes.length === 0 ? {} : { saes }),
    ...properties(state, ({ isOfRun }) => isOfRun),
  };
}

/** The body of a prediction. */
export function predictBody(state) {
  return { ...runFields(state), top: state.top, ...(state.position === null ? {} : { position: state.position }) };
}

/** What is still to be typed before there is something to explain; undefined: nothing. */
export function missingText({ metric, targetText, baseline, baselinePrompt }) {
  if (metric === "target-text" && targetText === "") return "Type the continuation to explain.";
  if (baseline === "prompt" && baselinePrompt === "") return "Type the prompt to compare with.";
}

/** The body of an attribution to some answers. */
export function attributeBody(state, { positive, negative }) {
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
