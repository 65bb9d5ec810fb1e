/** Directories that say one thing and whose files say another: what transformers makes of them (tests/data/weights). */
import assert from "node:assert/strict";
import { loadModel, loadSae } from "../../mod.ts";
import { openOptions } from "../runtime/open_options.ts";
import { addTensor } from "../weights/add_tensor.ts";
import { checkExpected, DATA } from "./expected.ts";

/** Directories below one that have something expected of them. */
function casesIn(path: string): string[] {
  return [...Deno.readDirSync(new URL(path, DATA))].flatMap(({ name, isDirectory }) => {
    if (!isDirectory) return name === "expected.json" ? [path] : [];
    return name === "sae" || name === "trainers" ? [] : casesIn(`${path}${name}/`);
  }).sort();
}

const CASES = casesIn("./");

Deno.test("there are cases of every kind, and of every family", () => {
  assert.equal(CASES.filter((name) => name.includes("tied_with_head")).length, 9);
  assert.equal(CASES.length, 16);
});

for (const name of CASES) {
  Deno.test(`weights ${name}`, async () => {
    const directory = new URL(name, DATA);
    await using model = await loadModel(directory, openOptions());
    await using sae = await loadSae(new URL("sae/", directory));
    assert.equal(sae.hookOut, "blocks.0.hook_resid_post");
    await checkExpected(model, sae, directory);
  });
}

Deno.test("a file that config.json names and that is no safetensors file is an error", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const from = new URL("named_file/", DATA);
    await Deno.copyFile(new URL("model.safetensors", from), `${directory}/model.safetensors`);
    const config = JSON.parse(await Deno.readTextFile(new URL("config.json", from)));
    for (const name of ["x.bin", 3, {}, "../x.safetensors"]) {
      await Deno.writeTextFile(
        `${directory}/config.json`,
        JSON.stringify({ ...config, transformers_weights: name }),
      );
      await assert.rejects(loadModel(directory, openOptions()), /transformers_weights|leads out|\.\.\/x/);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("what a model's files have and nobody reads is named, and what cannot be read is an error", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const from = new URL("named_file/", DATA);
    const file = `${directory}/model.safetensors`;
    await Deno.copyFile(new URL("other.safetensors", from), file);
    const config = JSON.parse(await Deno.readTextFile(new URL("config.json", from)));
    const write = (settings: Record<string, unknown>): Promise<void> =>
      Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...config, ...settings }));
    await write({ transformers_weights: undefined, strange_setting: { a: 1 } });
    await addTensor(file, "model.layers.0.strange.weight");
    {
      await using model = await loadModel(directory, openOptions());
      const unused = model.unused();
      for (const name of ["model.layers.0.strange.weight", "strange_setting"]) assert.ok(unused.includes(name), name);
      for (const name of ["lm_head.weight", "hidden_size", "model_type", "rope_parameters", "tie_word_embeddings"]) {
        assert.ok(!unused.includes(name), name);
      }
    }
    await write({ transformers_weights: undefined, quantization_config: { quant_method: "gptq", bits: 4 } });
    await assert.rejects(loadModel(directory, openOptions()), {
      name: "RangeError",
      message: /^config\.json: the weights are quantized \("gptq"\), which is not supported/,
    });
    await write({ transformers_weights: undefined });
    const bytes = await Deno.readFile(file);
    const at = new TextDecoder("latin1").decode(bytes).indexOf('"F32"');
    bytes.set(new TextEncoder().encode('"I32"'), at);
    await Deno.writeFile(file, bytes);
    await assert.rejects(loadModel(directory, openOptions()), {
      name: "TypeError",
      message: /is of type I32, and only F64, F32, F16, BF16 are read$/,
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
