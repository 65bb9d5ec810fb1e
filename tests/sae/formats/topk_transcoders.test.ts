/** Top-k transcoders against circuit-tracer's own activation function (tests/data/topk_transcoders/make.py). */
import assert from "node:assert/strict";
import { createRuntime } from "../../../lib/runtime/runtime.ts";
import { loadSae } from "../../../lib/sae/load.ts";
import { toDense } from "../../../lib/sae/sparse.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";

const DATA = new URL("../../data/topk_transcoders/", import.meta.url);
const runtime = await createRuntime({ threads: 1 });
Deno.test.afterAll(() => runtime.dispose());

function compare(got: Float32Array, want: Float32Array): void {
  assert.equal(got.length, want.length);
  const scale = want.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  const difference = want.reduce((max, x, i) => Math.max(max, Math.abs(x - got[i])), 0) / scale;
  assert.ok(difference <= 2e-6, `differs by ${difference} of the largest`);
}

for (const [name, k] of Object.entries({ tensor: 5, config: 4, many: 33 })) {
  Deno.test(`${name} is circuit-tracer's`, async () => {
    const directory = new URL(`${name}/`, DATA);
    await using source = openSource(directory);
    const expected = await openSafetensors(source, { file: "expected.safetensors" });
    await using sae = await loadSae(new URL("layer_1.safetensors", directory));
    assert.deepEqual([sae.hookIn, sae.hookOut], ["blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out"]);
    const encoded = await sae.encode(runtime, await expected.read("x"));
    const acts = await expected.read("feature_acts");
    assert.equal(encoded.activations.values.length, k * encoded.activations.rows);
    assert.equal(acts.some((value) => value < 0), name === "many");
    compare(toDense(encoded.activations, sae.config.dSae).data, acts);
    compare(await sae.decode(encoded), await expected.read("sae_out"));
    assert.deepEqual(sae.unused, ["model_kind"]);
  });
}

Deno.test("what a top-k transcoder's files leave open or say twice is an error", async () => {
  const parent = await Deno.makeTempDir();
  const open = async (name: string, yaml: string, k?: number): Promise<number | undefined> => {
    await Deno.copyFile(new URL(`${name}/layer_1.safetensors`, DATA), `${parent}/layer_1.safetensors`);
    await Deno.writeTextFile(`${parent}/config.yaml`, yaml);
    await using sae = await loadSae(`${parent}/layer_1.safetensors`, { k });
    return sae.config.k;
  };
  try {
    assert.equal(await open("config", "activation: topk\n", 7), 7);
    await assert.rejects(open("config", "activation: topk\n"), /does not say how many features it keeps: give k/);
    await assert.rejects(open("tensor", "activation: topk\nk: 6\n"), /it keeps 5 features, and config\.yaml says "6"/);
    await assert.rejects(open("tensor", "activation: relu\n"), /tensors that are not used here .*: k$/);
    await assert.rejects(open("tensor", "activation: gelu\n"), /config\.yaml's activation "gelu" is not supported/);
    await assert.rejects(open("tensor", "activation: topk\n", 41), /"k" is 41, more than the 40 features/);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});
