/**
 * How the summary for people is laid out: keys on the left, text wrapped beside them, signed bars.
 *
 * @module
 */
import { inFlags } from "../args/command.ts";
import { styleText } from "node:util";
import { signed } from "../../report/figures.ts";
import { cutToWidth, displayWidth, drawBar, printable } from "../../table/terminal.ts";

/** Where the text beside a key begins. */
const INDENT = 12;
const WIDEST_BAR = 25;

/** What a report is drawn on. */
export interface Page {
  readonly width: number;
  readonly color: boolean;
}

/** A value with its text. */
export interface BarItem {
  readonly value: number;
  readonly text: string;
}

/** A key with words beside it, wrapped between the words. Each word is already printable. */
export function entry(key: string, words: readonly string[], page: Page, style: Style = "bold"): string {
  const lines = wrap(words, page.width - INDENT);
  const start = (i: number): string => i === 0 ? paint(style, key.padEnd(INDENT), page) : " ".repeat(INDENT);
  return lines.map((line, i) => start(i) + line.trimEnd()).join("\n");
}

/** Further lines of an entry, less prominent. */
export function detail(text: string, page: Page): string {
  return wrap(text.split(" "), page.width - INDENT)
    .map((line) => " ".repeat(INDENT) + paint("dim", line, page)).join("\n");
}

/** What to look at, an entry each: the library's options are said as those of the command line. */
export function warningEntries(warnings: readonly string[], page: Page): string[] {
  return warnings.map((text) => entry("Warning", printable(inFlags(text)).split(" "), page, "yellow"));
}

/** An SAE by its source, and by its hook where that does not say it. */
export function saeEntry(source: string, hook: string, page: Page): string {
  return entry("SAE", [printable(source), ...(source.endsWith(hook) ? [] : ["at", printable(hook)])], page);
}

/** A heading with entries below it, before a table. */
export function titled(title: string, lines: readonly string[], page: Page): string {
  return `${heading(printable(title), page)}\n\n${lines.join("\n")}\n\n`;
}

/** A heading above a list. */
export function heading(text: string, page: Page): string {
  return wrap(text.split(" "), page.width).map((line) => paint("bold", line, page)).join("\n");
}

/** Values as numbers with sign, bars and texts: one line each. */
export function bars(items: readonly BarItem[], page: Page): string {
  const largest = items.reduce((most, { value }) => Math.max(most, Math.abs(value)), 0);
  const numbers = items.map(({ value }) => signed(value, largest));
  const numberWidth = Math.max(0, ...numbers.map((text) => text.length));
  const width = Math.min(WIDEST_BAR, 2 * Math.floor(page.width / 8) + 1);
  const isSigned = items.some(({ value }) => value < 0);
  return items.map(({ value, text }, i) => {
    const bar = drawBar(value, { largest, width, signed: isSigned });
    const start = `  ${numbers[i].padStart(numberWidth)}  `;
    const room = page.width - start.length - width - 2;
    const drawn = paint(value < 0 ? "red" : "cyan", bar, page);
    return `${start}${drawn}  ${cutToWidth(text, room)}`.trimEnd();
  }).join("\n");
}

/** The same with what each one stands for, where that is known, in a column of its own. */
export function labelledBars(items: readonly (BarItem & { readonly label?: string })[], page: Page): string {
  const width = Math.max(...items.map(({ text }) => displayWidth(text)));
  const texts = items.map(({ value, text, label }) => {
    const gap = " ".repeat(width - displayWidth(text) + 2);
    return { value, text: label === undefined ? text : text + gap + printable(label) };
  });
  return bars(texts, page);
}

type Style = "bold" | "dim" | "red" | "cyan" | "yellow";

function paint(style: Style, text: string, { color }: Page): string {
  return color ? styleText(style, text, { validateStream: false }) : text;
}

function wrap(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line: string | undefined;
  for (const word of words) {
    const cut = cutToWidth(word, width);
    if (line === undefined) line = cut;
    else if (displayWidth(line) + 1 + displayWidth(cut) <= width) line += ` ${cut}`;
    else {
      lines.push(line);
      line = cut;
    }
  }
  return [...lines, line ?? ""];
}
