/** The report's page: the result, and what belongs to a file that is passed on. */
import { commandBlock } from "./command_view.ts";
import { h } from "./dom.ts";
import { showText } from "./format.ts";
import { renderDownloads, renderResult } from "./result_view.ts";
import type { ReportData } from "../report_data.ts";

/** Reads the data that lies in the page and shows it. */
function startReport(): void {
  const data: ReportData = JSON.parse(find("data").textContent);
  const main = find("result");
  const place = /^#position=(\d+)$/.exec(location.hash);
  const position = place !== null && Number(place[1]) < data.tokens.length ? Number(place[1]) : null;
  renderResult(main, data, { state: { position } });
  renderDownloads(find("downloads"), data);
  renderCommand(find("command"), data);
}

/** An element of the page that `html.ts` writes. */
function find(id: string): HTMLElement {
  return document.getElementById(id)!;
}

function renderCommand(container: Element, { command, model, program }: ReportData): void {
  const form = `Model in this form: ${model.processing}${
    model.revision === null ? "" : `; revision ${model.revision}`
  }. Made by ${program}.`;
  if (command === null) return container.replaceChildren(h("p", { class: "muted" }, showText(form)));
  container.replaceChildren(
    h("p", { class: "hint" }, "This command makes it again."),
    commandBlock(command),
    h("p", { class: "muted" }, showText(form)),
  );
}

startReport();
