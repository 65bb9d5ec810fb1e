/** Numbers and tokens as people read them, by the rules of the terminal. */
import { printable } from "../../table/terminal.ts";

export { escaped as showText } from "../../table/terminal.ts";
export { count as showCount, percent as showPercent } from "../figures.ts";

const SIGNIFICANT_DIGITS = 4;

/** Spaces at the ends as dots, what is invisible escaped, the id where there is no text. */
export function showToken(text: string, id: number | string): string {
  return text === "" ? `#${id}` : printable(text);
}

/**
 * A number with as many decimals as its neighbours: enough for the largest of them; what these would show as 0 is shown
 * as a power of ten. A true minus sign.
 */
export function showNumber(value: number | null, largest = Math.abs(value ?? 0)): string {
  if (value === null || !Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const fixed = size.toFixed(Math.min(20, Math.max(0, SIGNIFICANT_DIGITS - 1 - Math.floor(Math.log10(largest)))));
  const isPower = largest < 1e-4 || largest >= 1e6 || Number(fixed) === 0;
  const text = isPower ? size.toExponential(Number(fixed) === 0 ? 0 : SIGNIFICANT_DIGITS - 2) : fixed;
  return value < 0 ? `−${text}` : text;
}

/** The same with a plus. */
export function showSigned(value: number | null, largest = Math.abs(value ?? 0)): string {
  return (value !== null && value > 0 ? "+" : "") + showNumber(value, largest);
}

/** A number as the other outputs write it: 9 significant digits. */
export function exactNumber(x: number): string {
  return Number.isInteger(x) ? String(x) : String(Number(x.toPrecision(9)));
}
