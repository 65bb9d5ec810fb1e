import assert from "node:assert/strict";
import { calculateFeatureAttribution, loadModel, loadSae, logitDiff } from "../../../mod.ts";
import { attributionTensors } from "../../../lib/attribution/result/save_tensors.ts";
import { writeFileAtomic } from "../../../lib/table/write_file.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { openSafetensors } from "../../../lib/weights/tensors/tensors.ts";
import { DATA } from "../golden.ts";

/** 64-bit integers, which the store lists but does not read as floats. */
async function integers(path: string, offset: number, byteLength: number): Promise<number[]> {
  const bytes = (await Deno.readFile(path)).slice(offset, offset + byteLength);
  return [...new BigInt64Array(bytes.buffer)].map(Number);
}

Deno.test("a run's tensors, read back", async () => {
  await using model = await loadModel(new URL("models/gpt2/", DATA), { threads: 1 });
  await using sae = await loadSae(new URL("saes/g-topk-pre3-ln/", DATA));
  const tracked = "blocks.1.attn.hook_pattern";
  const result = await calculateFeatureAttribution(model, " Tiger Woods plays the sport of", logitDiff(364, 296), {
    saes: [sae],
    trackHookPoints: [tracked],
  });
  const hook = sae.hookOut;
  const { run, gradient } = result.parts.saes.get(hook)!;
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/run.safetensors`;
    await writeFileAtomic(path, attributionTensors(result));
    await using source = openSource(directory);
    const store = await openSafetensors(source, { file: "run.safetensors" });
    const shape = (name: string): readonly number[] => store.tensors.get(name)!.shape;
    const whole = (name: string): Promise<number[]> => {
      const { offset, byteLength, dtype } = store.tensors.get(name)!;
      assert.equal(dtype, "I64");
      return integers(path, offset, byteLength);
    };
    assert.deepEqual(await whole("tokens"), result.tokens.map(({ id }) => id));
    const [positions, features] = [await whole(`${hook}/position`), await whole(`${hook}/feature`)];
    const names = ["activation", "gradient", "attribution"];
    const [activation, grad, attribution] = await Promise.all(names.map((name) => store.read(`${hook}/${name}`)));
    assert.deepEqual(shape(`${hook}/activation`), [run.encoded.activations.values.length]);
    const rows = positions.map((position, i) => ({
      position,
      feature: features[i],
      activation: activation[i],
      gradient: grad[i],
      attribution: attribution[i],
    })).filter((row) => row.attribution !== 0);
    rows.sort((a, b) => b.attribution - a.attribution || a.position - b.position || a.feature - b.feature);
    assert.deepEqual(rows, result.rows(hook));

    const [saeIn, saeOut, error, g] = await Promise.all(
      ["sae_in", "sae_out", "sae_error", "grad_sae_out"].map((name) => store.read(`${hook}/${name}`)),
    );
    assert.deepEqual(shape(`${hook}/sae_in`), [result.tokens.length, sae.config.dOut]);
    assert.deepEqual([saeIn, saeOut, g], [run.saeIn, run.saeOut, gradient]);
    assert.deepEqual(error, saeIn.map((x, i) => x - saeOut[i]));

    assert.deepEqual(shape(`tracked/${tracked}/grad`), result.modelGrads[tracked].dims);
    assert.deepEqual(await store.read(`tracked/${tracked}/activation`), result.modelActivations[tracked].data);
    assert.deepEqual(await store.read(`tracked/${tracked}/attribution`), result.modelAttributions[tracked].data);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
