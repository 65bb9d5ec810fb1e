/** The controls of the settings. */
import { h } from "../../report/client/mod.ts";
import { find } from "./find.ts";
import { labelWords, type Setting, SETTING_GROUPS, type SettingKey, SETTINGS } from "./settings.ts";
import { isSet, isShown, type State } from "./state.ts";

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/**
 * Makes the controls. `onChange(part of the state)` hears what the user changes.
 *
 * @returns `show(state)`, which puts a state into them
 */
export function connectSettings(onChange: (part: Partial<State>) => void): { show(state: State): void } {
  const controls = new Map<SettingKey, readonly [label: HTMLElement, control: Control]>();
  const groups = SETTING_GROUPS.map(([title, keys]) => {
    const parts = keys.map((key) => {
      const setting = SETTINGS[key];
      const control = controlOf(setting);
      control.addEventListener("input", () => onChange({ [key]: control.value }));
      const label = h("label", { for: setting.id, title: labelWords(setting.field.help) }, setting.label);
      controls.set(key, [label, control]);
      return [label, control];
    });
    return h("fieldset", {}, h("legend", {}, title), parts);
  });
  find("settings").replaceChildren(...groups);
  const more = find("more", HTMLDetailsElement);
  const show = (state: State): void => {
    for (const [key, [label, control]] of controls) {
      if (control.value !== state[key]) control.value = state[key]; // else the cursor would jump
      label.hidden = control.hidden = !isShown(state, key);
    }
    // Settings that are not as usual are not hidden away.
    if ([...controls.keys()].some((key) => isSet(state, key))) more.open = true;
  };
  return { show };
}

function controlOf({ id, choices, field }: Setting): Control {
  if (choices !== undefined) {
    return h("select", { id }, Object.entries(choices).map(([value, words]) => h("option", { value }, words)));
  }
  const plain = { id, autocomplete: "off", spellcheck: "false" } as const;
  if (field.multiple === true) return h("textarea", { ...plain, rows: "2", placeholder: field.placeholder });
  if (field.kind === "string") return h("input", plain);
  const inputmode = field.kind === "integer" ? "numeric" : field.kind === "number" ? "decimal" : "text";
  return h("input", { ...plain, inputmode, placeholder: field.kind === "integers" ? field.placeholder : undefined });
}
