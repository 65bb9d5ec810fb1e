/** On which form of the model the SAEs of each format were trained, and rows of transformers' own model with them. */
import assert from "node:assert/strict";
import { calculateFeatureAttribution, loadModel, loadSae, logitDiff } from "../../../mod.ts";
import { checkExpected, DATA } from "../../model/expected.ts";
import { openOptions } from "../../runtime/open_options.ts";

const FORMATS = new URL("../../data/formats/", import.meta.url);
const CASES: Record<string, { loader: string; path: string; options: Record<string, string> }> = JSON.parse(
  await Deno.readTextFile(new URL("cases.json", FORMATS)),
);

/** By SAELens's loader; no flags: the activations of the unprocessed model. */
const FORMS: Record<string, Record<string, boolean>> = {
  gemma_2: {},
  gemma_2_transcoder: {},
  gemma_3: {},
  llama_scope: {},
  llama_scope_r1_distill: {},
  dictionary_learning_1: {},
  sparsify: {},
  qwen_scope: {},
  goodfire: {},
  deepseek_r1: {},
  temporal: {},
  mwhanna_transcoder: { fold_ln: false },
  connor_rob_hook_z: { fold_ln: true, center_writing_weights: true, center_unembed: true, fold_value_biases: true },
};

Deno.test("every format says on which form of the model its SAEs were trained", async () => {
  assert.deepEqual(new Set(Object.values(CASES).map(({ loader }) => loader)), new Set(Object.keys(FORMS)));
  for (const [name, { path, loader, options }] of Object.entries(CASES)) {
    await using sae = await loadSae(new URL(path, FORMATS), options);
    assert.deepEqual(sae.config.modelFromPretrainedKwargs, FORMS[loader], name);
  }
});

for (const name of ["resid_post_layer_0/", "h.0/"]) {
  Deno.test(`trained on transformers' own activations: ${name}`, async () => {
    const directory = new URL(`trainers/${name}`, DATA);
    await using model = await loadModel(new URL("trainers/", DATA), openOptions());
    await using sae = await loadSae(directory);
    assert.equal(sae.hookOut, "blocks.0.hook_resid_post");
    await checkExpected(model, sae, directory);
    // It does make a difference.
    const run = async (processing?: "default"): Promise<number> => {
      const result = await calculateFeatureAttribution(model, [5, 14, 7], logitDiff(3, 7), { saes: [sae], processing });
      return result.rows(sae.hookOut)[0].attribution;
    };
    const [raw, processed] = [await run(), await run("default")];
    assert.ok(Math.abs(processed - raw) > 0.01 * Math.abs(raw));
  });
}

Deno.test("directories' names are read with either slash between them", async () => {
  const parent = await Deno.makeTempDir();
  try {
    const directory = `${parent}/saes\\h.0`;
    await Deno.mkdir(directory, { recursive: true });
    for (const file of ["cfg.json", "sae.safetensors"]) {
      await Deno.copyFile(new URL(`trainers/h.0/${file}`, DATA), `${directory}/${file}`);
    }
    await using sae = await loadSae(directory);
    assert.equal(sae.hookOut, "blocks.0.hook_resid_post");
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});
