/** Command lines to copy: a file cannot compute, and says what does. */
import { h } from "./dom.ts";
import type { ReportData } from "../report_data.ts";

/** A command line with a button that copies it. */
export function commandBlock(command: string): HTMLElement {
  const code = h("code", {}, command);
  const copy = h("button", {
    type: "button",
    onclick: async () => {
      await navigator.clipboard.writeText(command).catch(() => getSelection()?.selectAllChildren(code));
      copy.textContent = "Copied";
    },
  }, "Copy");
  return h(
    "div",
    { class: "command" },
    h("pre", { tabindex: "0", role: "region", "aria-label": "Command" }, code),
    copy,
  );
}

/** The command that removes a feature; undefined where there is none. */
export function removingCommand(
  { changeCommands, saes }: ReportData,
  sae: number,
  feature: number,
): HTMLElement | undefined {
  if (changeCommands === null) return undefined;
  const at = saes.length > 1 ? `${saes[sae].hook}:${feature}` : String(feature);
  return h(
    "section",
    {},
    h("h3", {}, "Remove it"),
    h("p", { class: "muted" }, `This command does it, exactly; with --scale '${at}@*=2' instead it is doubled.`),
    commandBlock(`${changeCommands.steer} --set '${at}@*=0'`),
  );
}

/** The command that looks for the smallest set; undefined where there is none. */
export function selectingCommand({ changeCommands }: ReportData): HTMLElement | undefined {
  if (changeCommands === null) return undefined;
  return h("div", {}, h("p", { class: "muted" }, "This command looks for it."), commandBlock(changeCommands.select));
}
