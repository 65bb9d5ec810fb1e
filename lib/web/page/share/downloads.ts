/** What a result can be taken along as: files, a report, the command and the link that make it again. */
import {
  downloadColumns,
  downloadFile,
  downloadText,
  h,
  questionOf,
  renderDownloads,
} from "../../../report/client/mod.ts";
import type { ReportData } from "../../../report/report_data.ts";
import type { AttributeAnswer } from "../engine.ts";
import { find } from "../find.ts";
import { complain, wordsOf } from "../status.ts";

/** Asks for the rows of what is shown, in a format. */
export type AskRows = (
  rows: { readonly format: string; readonly columns: readonly string[] },
) => Promise<AttributeAnswer>;

/** Connects the buttons that need no result of their own. */
export function connectCopies(command: () => string): void {
  const [copyCommand, copyLink] = [find("copy-command"), find("copy-link")];
  copyCommand.addEventListener("click", () => copy(command(), copyCommand));
  copyLink.addEventListener("click", () => copy(linkOf(location), copyLink));
}

/** An address to pass on: of the whole page, also from where the result is embedded. */
function linkOf({ origin, pathname, hash }: Location): string {
  return `${origin}${pathname}${hash}`;
}

/** Buttons for a report. Its cards may still come, and are in what is saved later. */
export function showDownloads(report: ReportData, askRows: AskRows): void {
  find("downloads").hidden = false;
  find("copy-command").hidden = report.command === null;
  const buttons = find("download-buttons");
  renderDownloads(buttons, report);
  const button = (name: string, make: () => Promise<void>): HTMLElement => {
    const made: HTMLButtonElement = h("button", { type: "button", onclick: () => busily(made, make) }, name);
    return made;
  };
  const rows = (format: string): Promise<AttributeAnswer> => askRows({ format, columns: downloadColumns(report) });
  buttons.append(button("Download Parquet", async () => download(await rows("parquet"))));
  // The page has the strongest rows only; the engine writes all of them.
  if (report.saes.some(({ rowsLeftOut }) => rowsLeftOut > 0)) {
    buttons.append(button("Download all rows as CSV", async () => download(await rows("csv"))));
  }
  buttons.append(button("Save report", () => saveReport(report)));
}

function download(answer: AttributeAnswer): void {
  if (answer.type === "rows") downloadText("attribution.csv", "text/csv", answer.text);
  else if (answer.type === "file") downloadFile("attribution.parquet", new Blob([answer.bytes]));
}

/** The file that the command `report` writes of these data. */
async function saveReport(report: ReportData): Promise<void> {
  const { dataHtml } = await import("../../../report/html.ts");
  const name = questionOf(report).replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60);
  downloadText(`${name || "report"}.html`, "text/html", await dataHtml(report));
}

async function busily(button: HTMLButtonElement, make: () => Promise<void>): Promise<void> {
  button.disabled = true;
  try {
    await make();
  } catch (error) {
    complain(wordsOf(error));
  } finally {
    button.disabled = false;
  }
}

async function copy(text: string, button: HTMLElement): Promise<void> {
  const words = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Copying is not allowed here";
  }
  setTimeout(() => button.textContent = words, 2000);
}
