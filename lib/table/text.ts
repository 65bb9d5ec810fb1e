/**
 * Tables for the terminal.
 *
 * @module
 */
import { quote } from "../quote.ts";
import { cutToWidth, displayWidth, drawBar, printable } from "./terminal.ts";
import { type Cell, checkedRows, formatNumber, type Table } from "./table.ts";

/** Between two columns. */
const GAP = "  ";
const BAR_WIDTH = { smallest: 13, usual: 31 };
/** A text column is not made narrower than this. */
const NARROWEST_TEXT = 6;
/** Digits that a person reads off a column of fractions; its largest value has so many. */
const SIGNIFICANT_DIGITS = 5;

/** How {@linkcode toText} draws a table. */
export interface TextOptions {
  /** Columns of the terminal; no line is longer. Without it nothing is cut. */
  width?: number;
  /** Draw in colour. Whether to (a terminal, NO_COLOR) is the caller's decision. */
  color?: boolean;
  /** The name of a numeric column to draw as a signed bar beside it, scaled to its largest |value|. */
  bar?: string;
}

interface Column {
  readonly header: string;
  readonly cells: readonly string[];
  readonly kind: "text" | "number" | "bar";
  width: number;
}

/**
 * The table with aligned columns for people. All rows are held at once: give the top ones of a large table.
 * Texts are shown by {@linkcode printable}: nothing in them can steer the terminal, and outer spaces show as `·`.
 * Fractions are rounded to what can be read; the other writers keep the digits.
 */
export function toText(table: Table, options: TextOptions = {}): string {
  const rows = [...checkedRows(table)];
  const columns = table.columns.map((name, i) => layOut(name, rows.map((row) => row[i])));
  const barIndex = options.bar === undefined ? -1 : indexOfBar(table.columns, options.bar);
  const values = barIndex < 0
    ? []
    : rows.map((row) => row[barIndex]).map((cell) => typeof cell === "number" ? cell : 0);
  if (barIndex >= 0) columns.splice(barIndex + 1, 0, layOutBar(values, spareWidth(columns, options.width)));
  if (options.width !== undefined) fitTexts(columns, options.width);

  const fits = options.width === undefined || totalWidth(columns) <= options.width;
  const paint = options.color === true && fits ? paintBar : (bar: string): string => bar;
  const print = (cells: string[]): string => {
    const line = cells.join(GAP).trimEnd();
    return fits ? line : cutToWidth(line, options.width!);
  };
  const header = print(columns.map((column) => pad(column.header, column)));
  const lines = rows.map((_, r) =>
    print(
      columns.map((column) => column.kind === "bar" ? paint(column.cells[r], values[r]) : pad(column.cells[r], column)),
    )
  );
  return [options.color === true ? style("bold", header) : header, ...lines].join("\n") + "\n";
}

function layOut(name: string, cells: readonly Cell[]): Column {
  const numbers = cells.filter((cell) => typeof cell === "number");
  const isNumeric = numbers.length > 0 && cells.every((cell) => cell === null || typeof cell === "number");
  const formatted = isNumeric ? numberFormat(numbers) : formatNumber;
  const texts = cells.map((cell) => typeof cell === "number" ? formatted(cell) : printable(String(cell ?? "")));
  const header = printable(name);
  const width = texts.reduce((widest, text) => Math.max(widest, displayWidth(text)), displayWidth(header));
  return { header, cells: texts, kind: isNumeric ? "number" : "text", width };
}

/** One format for a column: whole numbers as they are, fractions with the same number of decimals in every row. */
function numberFormat(numbers: readonly number[]): (x: number) => string {
  const finite = numbers.filter(Number.isFinite);
  const largest = finite.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const decimals = SIGNIFICANT_DIGITS - 1 - Math.floor(Math.log10(largest));
  const print = (x: number): string => {
    if (finite.every(Number.isInteger)) return formatNumber(x);
    if (largest < 1e-3 || largest >= 1e7) return x.toExponential(SIGNIFICANT_DIGITS - 1);
    return x.toFixed(Math.max(0, decimals));
  };
  return (x) => Number.isNaN(x) ? "nan" : Number.isFinite(x) ? print(x) : formatNumber(x);
}

function indexOfBar(names: readonly string[], bar: string): number {
  const index = names.indexOf(bar);
  if (index >= 0) return index;
  throw new RangeError(
    `Cannot draw the bar: there is no column ${quote(bar)}, choose one of ${names.join(", ")}`,
  );
}

function layOutBar(values: readonly number[], spare: number): Column {
  const width = Math.min(Math.max(spare - GAP.length, BAR_WIDTH.smallest), BAR_WIDTH.usual);
  const largest = values.reduce((most, x) => Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most, 0);
  const signed = values.some((x) => x < 0);
  return { header: "", cells: values.map((x) => drawBar(x, { largest, width, signed })), kind: "bar", width };
}

function totalWidth(columns: readonly Column[]): number {
  return columns.reduce((sum, column) => sum + column.width, 0) + GAP.length * Math.max(0, columns.length - 1);
}

function spareWidth(columns: readonly Column[], width: number | undefined): number {
  return width === undefined ? Infinity : width - totalWidth(columns);
}

/** Narrows the widest text columns until the lines fit, as far as that is possible. */
function fitTexts(columns: readonly Column[], width: number): void {
  const texts = columns.filter((column) => column.kind === "text");
  for (const column of texts) column.width = Math.min(column.width, Math.max(width, NARROWEST_TEXT));
  while (totalWidth(columns) > width) {
    const widest = texts.reduce<Column | undefined>((a, b) => a === undefined || b.width > a.width ? b : a, undefined);
    if (widest === undefined || widest.width <= NARROWEST_TEXT) return;
    widest.width--;
  }
}

function pad(text: string, column: Column): string {
  const cut = cutToWidth(text, column.width);
  const space = " ".repeat(column.width - displayWidth(cut));
  return column.kind === "number" ? space + cut : cut + space;
}

/** Positive and negative in two colours that also differ to most colour-blind eyes. */
function paintBar(bar: string, value: number): string {
  const drawn = bar.trimEnd();
  return style(value < 0 ? "red" : "cyan", drawn) + bar.slice(drawn.length);
}

/** A terminal's codes for a style and its end. */
const STYLES = { bold: [1, 22], red: [31, 39], cyan: [36, 39] } as const;

function style(name: keyof typeof STYLES, text: string): string {
  const [on, off] = STYLES[name];
  return `\x1b[${on}m${text}\x1b[${off}m`;
}
