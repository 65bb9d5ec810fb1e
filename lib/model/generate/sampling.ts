/**
 * Choosing the next token.
 *
 * A token is drawn so: logits ℓ are divided by the temperature, p = softmax(ℓ / T). Of the tokens in the order of p, the
 * largest first (of equal ones that with the smaller id), the first are kept whose sum reaches `topP`. A number u from
 * [0, 1) is drawn, and in the order of ids the first kept token is taken at which the sum of the kept p exceeds u times
 * their total. Sums are float64. Random numbers are Mulberry32's, 32 bits each, from the seed (its low 32 bits).
 *
 * @module
 */
import { logSumExp } from "../../runtime/tensor.ts";

/** The most probable token, of equal ones the first. */
export function mostProbable(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[best]) best = id;
  return best;
}

/** Draws a token. */
export function drawToken(logits: Float32Array, temperature: number, topP: number, random: () => number): number {
  const logSum = logSumExp(logits, temperature);
  const p = Float64Array.from(logits, (logit) => Math.exp(logit / temperature - logSum));
  const kept = topP < 1 ? nucleus(p, topP) : p.keys();
  const ids = [...kept];
  const total = ids.reduce((sum, id) => sum + p[id], 0);
  const aim = random() * total;
  let sum = 0;
  return ids.find((id) => (sum += p[id]) > aim) ?? mostProbable(logits);
}

/** The fewest tokens, the most probable ones, whose probabilities sum to `topP` at least, in the order of ids. */
function nucleus(p: Float64Array, topP: number): number[] {
  // Those below the least sum to less than 1 − topP together, so that none of them is needed.
  const least = (1 - topP) / p.length;
  const candidates = [...p.keys()].filter((id) => p[id] >= least).sort((a, b) => p[b] - p[a] || a - b);
  let sum = 0;
  const end = candidates.findIndex((id) => (sum += p[id]) >= topP);
  return candidates.slice(0, end < 0 ? candidates.length : end + 1).sort((a, b) => a - b);
}
