/**
 * Figures as people read them.
 *
 * @module
 */
/** Digits of the largest of several numbers. */
const SIGNIFICANT_DIGITS = 4;

/** A number with its sign and as many decimals as its neighbours: enough for the largest of them. */
export function signed(value: number, largest: number = Math.abs(value)): string {
  return (value > 0 ? "+" : "") + plain(value, largest);
}

/** The same without a plus. */
export function plain(value: number, largest: number = Math.abs(value)): string {
  if (!Number.isFinite(value) || value === 0) return String(value);
  if (largest < 1e-4 || largest >= 1e6) return value.toExponential(SIGNIFICANT_DIGITS - 2);
  return value.toFixed(Math.max(0, SIGNIFICANT_DIGITS - 1 - Math.floor(Math.log10(largest))));
}

/** A share as a percentage that a person reads. */
export function percent(share: number): string {
  const value = 100 * share;
  if (value > 0 && value < 0.01) return "<0.01 %";
  return `${value.toFixed(value !== 0 && Math.abs(value) < 0.1 ? 2 : 1)} %`;
}

/** A count with its noun. */
export function count(n: number, noun: string): string {
  return `${n.toLocaleString("en-US")} ${noun}${n === 1 ? "" : "s"}`;
}
