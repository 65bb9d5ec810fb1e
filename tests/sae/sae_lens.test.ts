/** Every architecture against what SAELens itself makes of the same files (tests/data/sae_lens/make.py). */
import assert from "node:assert/strict";
import { createRuntime } from "../../lib/runtime/runtime.ts";
import { loadSae } from "../../lib/sae/load.ts";
import { type Encoded, type Sae } from "../../lib/sae/sae.ts";
import { toDense } from "../../lib/sae/sparse.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import { openSafetensors } from "../../lib/weights/tensors/tensors.ts";
import { ARCHITECTURES } from "../../lib/sae/architectures/mod.ts";

const DATA = new URL("../data/sae_lens/", import.meta.url);
const FACTORS = JSON.parse(Deno.readTextFileSync(new URL("factors.json", DATA))) as Record<string, number>;
const names = [...Deno.readDirSync(DATA)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name).sort();
const runtime = await createRuntime({ threads: 1 });
const seen = new Set<string>();
let worst = 0;

Deno.test.afterAll(async () => {
  await runtime.dispose();
  console.log(`worst difference from SAELens over the largest value: ${worst.toExponential(1)}`);
});

function compare(got: Float32Array, want: Float32Array, what: string): void {
  assert.equal(got.length, want.length, what);
  const scale = want.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  const difference = want.reduce((max, x, i) => Math.max(max, Math.abs(x - got[i])), 0) / scale;
  assert.ok(difference <= 2e-6, `${what} differs by ${difference} of the largest`);
  worst = Math.max(worst, difference);
}

async function check(sae: Sae, encoded: Encoded, expected: (name: string) => Promise<Float32Array>): Promise<void> {
  const acts = await expected("feature_acts");
  const dense = toDense(encoded.activations, sae.config.dSae);
  assert.deepEqual(dense.data.map((x) => Number(x !== 0)), acts.map((x) => Number(x !== 0)), "active features");
  compare(dense.data, acts, "feature_acts");
  compare(await sae.decode(encoded), await expected("sae_out"), "sae_out");
}

for (const name of names) {
  Deno.test(`${name} is SAELens's`, async () => {
    const directory = new URL(`${name}/`, DATA);
    await using source = openSource(directory);
    const store = await openSafetensors(source, { file: "expected.safetensors" });
    await using sae = await loadSae(directory, { normScalingFactor: FACTORS[name] });
    seen.add(sae.config.architecture);
    const x = await store.read("x");
    const before = await sae.encode(runtime, x);
    await check(sae, before, (tensor) => store.read(tensor));
    if (!store.tensors.has("folded/feature_acts")) {
      assert.throws(() => sae.foldWDecNorm(), RangeError);
      return;
    }
    sae.foldWDecNorm();
    const folded = await sae.encode(runtime, x);
    await check(sae, folded, (tensor) => store.read(`folded/${tensor}`));
    compare(await sae.decode(before), await store.read("sae_out"), "sae_out of what was encoded before folding");

    // Gradients are in units of the activations, so that attributions do not change.
    const g = x.subarray(0, before.activations.rows * sae.config.dOut);
    const attribution = async (encoded: Encoded): Promise<Float32Array> =>
      (await sae.activeGradients(encoded, g)).map((gradient, i) => gradient * encoded.activations.values[i]);
    compare(await attribution(folded), await attribution(before), "attributions after folding");
  });
}

Deno.test("every architecture was among them", () => {
  const theirs = Object.keys(ARCHITECTURES).filter((name) => !/^topk_(skip_)?transcoder$/.test(name));
  assert.deepEqual([...seen].sort(), theirs.sort());
});
