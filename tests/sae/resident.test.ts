import assert from "node:assert/strict";
import { createRuntime } from "../../lib/runtime/runtime.ts";
import { loadSae } from "../../mod.ts";
import { DATA, goldenCases } from "../attribution/golden.ts";
import { uniform } from "../graph/numbers.ts";

Deno.test("an SAE whose weights stay in memory gives what one that reads them gives", async () => {
  await using runtime = await createRuntime({ device: "wasm", threads: 1 });
  const paths = new Set(goldenCases("seed").flatMap(({ saes }) => saes.map(({ path, hook }) => `${path} ${hook}`)));
  assert.ok(paths.size > 15);
  const random = uniform(3);
  for (const path of paths) {
    const [directory, hook] = path.split(" ");
    const source = new URL(`${directory}/`, DATA);
    await using streamed = await loadSae(source, { hook });
    await using resident = await loadSae(source, { hook, weights: "resident" });
    for (const rows of [3, 1]) {
      const x = Float32Array.from({ length: rows * streamed.config.dIn }, () => 3 * random());
      const g = Float32Array.from({ length: rows * streamed.config.dOut }, () => random());
      const [want, got] = [await streamed.encode(runtime, x), await resident.encode(runtime, x)];
      assert.deepEqual(got.activations.features, want.activations.features, path);
      assert.deepEqual(got.activations.offsets, want.activations.offsets, path);
      const close = (a: Float32Array, b: Float32Array): void =>
        a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) <= 1e-5 + 1e-5 * Math.abs(b[i]), `${path} ${i}`));
      close(got.activations.values, want.activations.values);
      close(await resident.decode(got), await streamed.decode(want));
      close(await resident.activeGradients(got, g), await streamed.activeGradients(want, g));
    }
  }
});

Deno.test("a closed SAE leaves nothing in the runtime, and others stay", async () => {
  await using runtime = await createRuntime({ device: "wasm", threads: 1 });
  const forgotten: string[] = [];
  const watched = { ...runtime, forget: (key: string) => (forgotten.push(key), runtime.forget(key)) };
  const open = () => loadSae("tiny-facts/blocks.3.hook_resid_pre", { weights: "resident" });
  const [a, b] = [await open(), await open()];
  const x = Float32Array.from({ length: a.config.dIn }, (_, i) => Math.sin(i));
  const want = (await a.encode(watched, x)).activations;
  assert.deepEqual((await b.encode(watched, x)).activations, want);
  await a.close();
  assert.equal(forgotten.length, 1);
  assert.deepEqual((await b.encode(watched, x)).activations, want);
  await b.close();
});
