/**
 * What the user chose, and how it stands in the page's address (after the #, so that it is sent nowhere).
 */

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
  /** "", "logprob", "prob", "loss" */
  metric: "",
  /** "", "yes", "no" */
  bos: "",
  /** "", "default", "none" */
  processing: "",
  /** "", "yes", "no" */
  special: "",
  /** "", "no" */
  errorTerm: "",
  /** "", "yes" */
  truncate: "",
  /** What is looked at in the result. */
  view: { sae: 0, position: null, feature: null },
};

const CHOICES = {
  metric: ["logprob", "prob", "loss"],
  bos: ["yes", "no"],
  processing: ["default", "none"],
  special: ["yes", "no"],
  errorTerm: ["no"],
  truncate: ["yes"],
};

/** Choices of a single value: their keys in the address, which are the ids of their controls too. */
export const KEYS = {
  metric: "metric",
  bos: "bos",
  processing: "processing",
  special: "special",
  errorTerm: "error-term",
  truncate: "truncate",
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
  const choices = Object.entries(KEYS).map(([key, name]) => {
    const value = query.get(name) ?? "";
    return [key, CHOICES[key].includes(value) ? value : ""];
  });
  return {
    prompt: query.get("prompt") ?? "",
    model: query.get("model") ?? "",
    saes: query.getAll("sae"),
    position: whole("position"),
    positive: tokens("pos"),
    negative: tokens("neg"),
    top: Math.min(100, Math.max(1, whole("top") ?? NOTHING.top)),
    ...Object.fromEntries(choices),
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
  for (const [key, name] of Object.entries(KEYS)) if (state[key] !== "") query.set(name, state[key]);
  const { sae, position, feature } = state.view;
  if (sae > 0) query.set("view-sae", sae);
  if (position !== null) query.set("view-position", position);
  if (feature !== null) query.set("view-feature", feature);
  return `#${query}`;
}

/** The part of a request that says on what it runs. */
export function runFields({ prompt, model, saes, bos, processing, truncate }) {
  return {
    prompt,
    ...(model === "" ? {} : { model }),
    ...(saes.length === 0 ? {} : { saes }),
    ...(bos === "" ? {} : { prepend_bos: bos === "yes" }),
    ...(processing === "" ? {} : { processing }),
    ...(truncate === "" ? {} : { truncate: true }),
  };
}

/** The body of a prediction. */
export function predictBody(state) {
  return { ...runFields(state), top: state.top, ...(state.position === null ? {} : { position: state.position }) };
}

/** The body of an attribution to some answers. */
export function attributeBody(state, { positive, negative }) {
  const { metric: name, position, special, errorTerm } = state;
  const metric = {
    ...(name === "" ? {} : { name }),
    positive,
    negative,
    ...(name === "loss" || position === null ? {} : { position }),
  };
  return {
    ...runFields(state),
    metric,
    ...(special === "" ? {} : { exclude_special_tokens: special === "no" }),
    ...(errorTerm === "" ? {} : { error_term: false }),
  };
}
