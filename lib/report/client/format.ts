/** Numbers and tokens as people read them: the same rules as on the terminal (lib/report/figures.ts, lib/table). */

const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const NAMED_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };
const SIGNIFICANT_DIGITS = 4;

/** Spaces at the ends as dots, control and direction characters escaped, the id where there is no text. */
export function showToken(text: string, id: number | string): string {
  if (text === "") return `#${id}`;
  return showText(text.replace(/^ +| +$/g, (spaces) => "·".repeat(spaces.length)));
}

/** A text in which nothing is invisible. */
export function showText(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    const hex = character.codePointAt(0)!.toString(16);
    return NAMED_ESCAPES[character] ?? (hex.length < 3 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`);
  });
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

/** A share as a percentage. */
export function showPercent(share: number): string {
  const value = 100 * share;
  if (value > 0 && value < 0.01) return "<0.01 %";
  return `${value.toFixed(value !== 0 && Math.abs(value) < 0.1 ? 2 : 1)} %`;
}

/** A count with its noun. */
export function showCount(n: number, noun: string): string {
  return `${n.toLocaleString("en-US")} ${noun}${n === 1 ? "" : "s"}`;
}

/** A number as the other outputs write it: 9 significant digits. */
export function exactNumber(x: number): string {
  return Number.isInteger(x) ? String(x) : String(Number(x.toPrecision(9)));
}
