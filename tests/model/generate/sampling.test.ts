/** Drawing tokens: against a second computation of the documented algorithm, and the distribution that it must have. */
import assert from "node:assert/strict";
import { drawToken, mostProbable } from "../../../lib/model/generate/sampling.ts";
import { mulberry32 } from "../../../lib/random.ts";
import { logSumExp } from "../../../lib/runtime/tensor.ts";

const logits = Float32Array.from({ length: 50 }, (_, i) => Math.fround(3 * Math.sin(7 * i) + (i % 5)));

/** The same, by sorting all tokens. */
function naive(temperature: number, topP: number, u: number): number {
  const weights = [...logits].map((logit) => Math.exp(logit / temperature));
  const sum = weights.reduce((a, b) => a + b, 0);
  const sorted = weights.map((w, id) => ({ id, p: w / sum })).sort((a, b) => b.p - a.p || a.id - b.id);
  let mass = 0;
  const kept = sorted.filter(({ p }) => {
    const isNeeded = mass < topP;
    mass += isNeeded ? p : 0;
    return isNeeded;
  });
  kept.sort((a, b) => a.id - b.id);
  let aim = u * kept.reduce((total, { p }) => total + p, 0);
  for (const { id, p } of kept) if ((aim -= p) < 0) return id;
  return kept.at(-1)!.id;
}

Deno.test("random numbers are Mulberry32's", () => {
  const random = mulberry32(0);
  // Of the author's C code, seed 0.
  assert.deepEqual([random(), random(), random()].map((u) => u * 2 ** 32), [1144304738, 1416247, 958946056]);
});

Deno.test("draws are those of the documented algorithm", () => {
  for (const temperature of [0.3, 1, 2.5]) {
    for (const topP of [0.1, 0.5, 0.9, 0.999, 1]) {
      const [random, same] = [mulberry32(5), mulberry32(5)];
      for (let i = 0; i < 200; i++) {
        assert.equal(drawToken(logits, temperature, topP, random), naive(temperature, topP, same()));
      }
    }
  }
});

Deno.test("tokens come as often as they are probable", () => {
  const draws = 20_000;
  const random = mulberry32(1);
  const count = new Map<number, number>();
  for (let i = 0; i < draws; i++) {
    const id = drawToken(logits, 1.5, 1, random);
    count.set(id, (count.get(id) ?? 0) + 1);
  }
  const logSum = logSumExp(logits, 1.5);
  logits.forEach((logit, id) => {
    const p = Math.exp(logit / 1.5 - logSum);
    const deviation = Math.sqrt(draws * p * (1 - p));
    assert.ok(Math.abs((count.get(id) ?? 0) - draws * p) <= 5 * deviation + 1);
  });
});

Deno.test("of equal logits the first is the most probable, and a tiny temperature or topP takes it", () => {
  assert.equal(mostProbable(Float32Array.of(1, 3, 2, 3)), 1);
  const random = mulberry32(3);
  for (let i = 0; i < 20; i++) {
    assert.equal(drawToken(logits, 1e-6, 1, random), mostProbable(logits));
    assert.equal(drawToken(logits, 1, 1e-9, random), mostProbable(logits));
  }
});
