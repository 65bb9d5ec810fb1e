/** What the kernels are compared with: functions in float64, and how far a float32 number is from one. */

/** Distances between neighbouring float32 numbers at a number's size. */
export function unitOf(x: number): number {
  const exponent = x === 0 ? -126 : Math.max(-126, Math.floor(Math.log2(Math.abs(x))));
  return 2 ** (exponent - 23);
}

/** How many units in the last place lie between a number and what it should be; 0 if both are the same odd one. */
export function unitsApart(got: number, want: number): number {
  if (Object.is(got, want) || got === want) return 0;
  if (Number.isNaN(got) || Number.isNaN(want)) return Infinity;
  if (!Number.isFinite(Math.fround(want)) || !Number.isFinite(got)) return got === Math.fround(want) ? 0 : Infinity;
  return Math.abs(got - want) / unitOf(want);
}

/** erf x = 2/√π · e^(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (2n+1)!!, all terms of one sign (Abramowitz and Stegun 7.1.6). */
export function erf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= 2 * x * x / (2 * n + 1);
    sum += term;
  }
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}

/** 1 − erf x, without cancellation: beyond 2 by the continued fraction (Abramowitz and Stegun 7.1.14). */
export function erfc(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (x < 2) return 1 - erf(x);
  let fraction = x;
  for (let n = 120; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / fraction / Math.sqrt(Math.PI);
}

/** 1 / (1 + e⁻ˣ) */
export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** x · (1 + erf(x/√2)) / 2 */
export const gelu = (x: number): number => x === -Infinity ? NaN : x * erfc(-x * Math.SQRT1_2) / 2;

/** x · (1 + tanh u) / 2 with u = √(2/π) (x + 0.044715 x³) */
export const geluNew = (x: number): number => x * sigmoid(2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3));
