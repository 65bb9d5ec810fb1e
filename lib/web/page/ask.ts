/** The question's controls: prompt, model, SAEs, settings. */
import { h } from "../../report/client/mod.ts";
import type { Choice } from "../catalog.ts";
import type { Engine } from "./engine.ts";
import { find } from "./find.ts";
import { connectSettings } from "./settings_view.ts";
import type { State } from "./state.ts";

/** Hears what the user changes. */
export type Change = (part: Partial<State>) => void;

/** So many names are offered while one is typed. */
const OFFERED = 50;
const TYPING_MS = 250;

/**
 * Connects the controls. `onChange(part of the state)` hears what the user changes.
 *
 * @returns `show(state)`, which puts a state into the controls
 */
export function connectQuestion(engine: Engine, onChange: Change): { show(state: State): void } {
  const prompt = find("prompt", HTMLTextAreaElement);
  prompt.addEventListener("input", () => {
    grow(prompt);
    onChange({ prompt: prompt.value, position: null });
  });
  const model = find("model", HTMLInputElement);
  model.addEventListener("change", () => {
    // Token ids and SAEs are a model's own.
    onChange({ model: model.value.trim(), saes: [], positive: [], negative: [], position: null });
  });
  const top = find("top", HTMLInputElement);
  top.addEventListener("change", () => {
    const count = Math.min(100, Math.max(1, Math.round(Number(top.value)) || 10));
    top.value = String(count);
    onChange({ top: count });
  });
  const settings = connectSettings(onChange);
  const show = (state: State): void => {
    if (prompt.value !== state.prompt) prompt.value = state.prompt;
    grow(prompt);
    model.value = state.model;
    top.value = String(state.top);
    settings.show(state);
    showSaes(state.saes, onChange);
  };
  offerNames(model, find("models"), async (search) => (await engine.models({ search, limit: OFFERED })).models);
  connectAddedSae(engine, onChange);
  return { show };
}

/** The text area is as high as its text. */
function grow(area: HTMLTextAreaElement): void {
  area.style.height = "auto";
  area.style.height = `${Math.min(320, area.scrollHeight + 2)}px`;
}

let chosenSaes: readonly string[] = [];

function showSaes(saes: readonly string[], onChange: Change): void {
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

function connectAddedSae(engine: Engine, onChange: Change): void {
  const input = find("add-sae", HTMLInputElement);
  const choices = find("sae-choices", HTMLDataListElement);
  const isOffered = (): boolean => [...choices.options].some(({ value }) => value === input.value);
  const add = (): void => {
    const name = input.value.trim();
    if (name === "") return;
    input.value = "";
    if (!chosenSaes.includes(name)) onChange({ saes: [...chosenSaes, name] });
  };
  // What is half typed stays; a name that was picked from the list is meant.
  input.addEventListener("input", (event) => {
    const isPicked = event instanceof InputEvent && event.inputType === "insertReplacementText";
    if (isPicked && isOffered()) add();
  });
  input.addEventListener("change", () => isOffered() && add());
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    add();
  });
  offerNames(input, choices, async (search) => {
    const model = find("model", HTMLInputElement).value.trim();
    return (await engine.saes({ search, limit: OFFERED, model: model || undefined })).saes;
  });
}

/** Offers names that fit what is typed, from the moment that the control is first used. */
function offerNames(
  input: HTMLInputElement,
  list: HTMLElement,
  search: (text: string) => Promise<readonly Choice[]>,
): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last: string | undefined;
  const offer = async (): Promise<void> => {
    const text = input === document.activeElement && input.dataset.typed ? input.value.trim() : "";
    const asked = JSON.stringify([text, find("model", HTMLInputElement).value]);
    if (asked === last) return;
    last = asked;
    const found = await search(text).catch(() => undefined);
    if (found === undefined || asked !== last) return;
    list.replaceChildren(...found.map(({ name, description }) => h("option", { value: name }, description)));
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
export async function firstSae(engine: Engine, model: string): Promise<string[]> {
  const { saes } = await engine.saes({ model, limit: 1 });
  return saes.filter(({ local }) => local).map(({ name }) => name);
}
