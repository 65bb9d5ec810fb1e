/** The question's controls: prompt, model, SAEs, settings. */
import { h } from "../../report/client/mod.js";
import { getJson } from "./api.js";
import { isSet, isShown, SETTINGS } from "./state.js";

const find = (id) => document.getElementById(id);

/** So many names are offered while one is typed. */
const OFFERED = 50;
const TYPING_MS = 250;

/**
 * Connects the controls. `onChange(part of the state)` hears what the user changes.
 *
 * @returns `show(state)`, which puts a state into the controls
 */
export function connectQuestion(onChange) {
  const prompt = find("prompt");
  prompt.addEventListener("input", () => {
    grow(prompt);
    onChange({ prompt: prompt.value, position: null });
  });
  const model = find("model");
  model.addEventListener("change", () => {
    // Token ids and SAEs are a model's own.
    onChange({ model: model.value.trim(), saes: [], positive: [], negative: [], position: null });
  });
  const top = find("top");
  top.addEventListener("change", () => {
    const count = Math.min(100, Math.max(1, Math.round(Number(top.value)) || 10));
    top.value = String(count);
    onChange({ top: count });
  });
  for (const [key, { id }] of Object.entries(SETTINGS)) {
    find(id).addEventListener("input", ({ target }) => onChange({ [key]: target.value }));
  }
  const show = (state) => {
    if (prompt.value !== state.prompt) prompt.value = state.prompt;
    grow(prompt);
    model.value = state.model;
    top.value = String(state.top);
    showSettings(state);
    showSaes(state.saes, onChange);
  };
  offerNames(model, find("models"), (text) => `/api/models?${new URLSearchParams({ search: text, limit: OFFERED })}`);
  connectAddedSae(onChange);
  return { show };
}

/** Settings that are not as usual are not hidden away. */
function showSettings(state) {
  for (const [key, { id }] of Object.entries(SETTINGS)) {
    const control = find(id);
    if (control.value !== state[key]) control.value = state[key]; // else the cursor would jump
    for (const part of [control, ...control.labels]) part.hidden = !isShown(state, key);
  }
  if (Object.keys(SETTINGS).some((key) => isSet(state, key))) find("more").open = true;
}

/** The text area is as high as its text. */
function grow(area) {
  area.style.height = "auto";
  area.style.height = `${Math.min(320, area.scrollHeight + 2)}px`;
}

let chosenSaes = [];

function showSaes(saes, onChange) {
  chosenSaes = saes;
  find("saes").replaceChildren(
    ...saes.map((name) =>
      h(
        "li",
        {},
        h("span", {}, name),
        h("button", {
          type: "button",
          "aria-label": `Remove ${name}`,
          onclick: () => {
            onChange({ saes: chosenSaes.filter((other) => other !== name) });
            find("add-sae").focus();
          },
        }, "×"),
      )
    ),
  );
}

function connectAddedSae(onChange) {
  const input = find("add-sae");
  const isOffered = () => [...find("sae-choices").options].some(({ value }) => value === input.value);
  const add = () => {
    const name = input.value.trim();
    if (name === "") return;
    input.value = "";
    if (!chosenSaes.includes(name)) onChange({ saes: [...chosenSaes, name] });
  };
  // What is half typed stays; a name that was picked from the list is meant.
  input.addEventListener("input", ({ inputType }) => inputType === "insertReplacementText" && isOffered() && add());
  input.addEventListener("change", () => isOffered() && add());
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    add();
  });
  offerNames(input, find("sae-choices"), (text) => {
    const model = find("model").value.trim();
    return `/api/saes?${new URLSearchParams({ search: text, limit: OFFERED, ...(model === "" ? {} : { model }) })}`;
  });
}

/** Offers names that fit what is typed, from the moment that the control is first used. */
function offerNames(input, list, address) {
  let timer;
  let last;
  const offer = async () => {
    const path = address(input === document.activeElement && input.dataset.typed ? input.value.trim() : "");
    if (path === last) return;
    last = path;
    const found = await getJson(path).catch(() => undefined);
    if (found === undefined || path !== last) return;
    list.replaceChildren(
      ...(found.models ?? found.saes).map(({ name, description }) => h("option", { value: name }, description)),
    );
  };
  input.addEventListener("focus", () => {
    delete input.dataset.typed;
    offer();
  });
  input.addEventListener("input", () => {
    input.dataset.typed = "yes";
    clearTimeout(timer);
    timer = setTimeout(offer, TYPING_MS);
  });
}

/** The SAE that a model begins with: the first that is at hand. */
export async function firstSae(model) {
  const { saes } = await getJson(`/api/saes?${new URLSearchParams({ model, limit: 1 })}`);
  return saes.filter(({ local }) => local).map(({ name }) => name);
}
