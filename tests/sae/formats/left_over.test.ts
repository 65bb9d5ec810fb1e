/** What a file has and nobody reads: tensors are an error, settings are named. */
import assert from "node:assert/strict";
import { readWholeConfig } from "../../../lib/sae/read_config.ts";
import { addTensor } from "../../weights/add_tensor.ts";
import { ReadSettings } from "../../../lib/weights/json/read_settings.ts";
import { loadSae, loadSaes } from "../../../mod.ts";

const DATA = new URL("../../data/", import.meta.url);
const CASES: Record<string, { path: string; options: Record<string, string>; loader: string }> = JSON.parse(
  await Deno.readTextFile(new URL("formats/cases.json", DATA)),
);

/** A copy of a directory below another one of the same name, which some formats read. */
async function withCopy(path: string, test: (directory: string) => Promise<void>): Promise<void> {
  const parent = await Deno.makeTempDir();
  try {
    const copy = async (from: URL, to: string): Promise<void> => {
      await Deno.mkdir(to, { recursive: true });
      for await (const { name, isDirectory } of Deno.readDir(from)) {
        if (isDirectory) await copy(new URL(`${name}/`, from), `${to}/${name}`);
        else await Deno.copyFile(new URL(name, from), `${to}/${name}`);
      }
    };
    const name = path.replace(/\/[^/]+\.\w+$/, "");
    await copy(new URL(`${name}/`, DATA), `${parent}/${name}`);
    await test(`${parent}/${path}`);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
}

/** The safetensors files below a directory or at a path. */
async function safetensorsIn(path: string): Promise<string[]> {
  if (/\.\w+$/.test(path) && (await Deno.stat(path)).isFile) return path.endsWith(".safetensors") ? [path] : [];
  const found: string[] = [];
  for await (const { name, isFile, isDirectory } of Deno.readDir(path)) {
    if (isDirectory) found.push(...await safetensorsIn(`${path}/${name}`));
    if (isFile && name.endsWith(".safetensors") && name !== "expected.safetensors") found.push(`${path}/${name}`);
  }
  return found.sort();
}

const PATHS = [
  ...Object.values(CASES).map(({ path, options }) => ({ path: `formats/${path}`, options })),
  ...["standard", "gated", "jumprelu", "topk", "skip_transcoder-constant_norm", "matching_pursuit", "temporal-untied"]
    .map((name) => ({ path: `sae_lens/${name}`, options: {} })),
  { path: "cross_layer/clt-relu", options: {} },
  { path: "cross_layer/gemma-scope-2-270m-pt/clt/width_16k_l0_big_affine", options: {} },
];

let checked = 0;
for (const { path, options } of PATHS) {
  Deno.test(`a tensor that is not used: ${path}`, async () => {
    await withCopy(path, async (directory) => {
      const open = async (): Promise<void> => {
        for (const sae of await loadSaes(directory, options)) await sae.close();
      };
      await open(); // as it is
      const files = await safetensorsIn(directory);
      for (const file of files) {
        const before = await Deno.readFile(file);
        await addTensor(file, "b_strange");
        await assert.rejects(open(), {
          name: "RangeError",
          message: /has tensors that are not used here and may change what the SAE computes: b_strange$/,
        });
        await Deno.writeFile(file, before);
        checked++;
      }
    });
  });
}

Deno.test("every format in safetensors was among them", () => assert.ok(checked >= 17, `only ${checked} files`));

Deno.test("tensors of another class than the config names", async () => {
  const path = CASES["dictionary_learning-GatedAutoEncoder"].path;
  await withCopy(`formats/${path}`, async (directory) => {
    const file = `${directory}/config.json`;
    const config = (await Deno.readTextFile(file)).replaceAll("GatedAutoEncoder", "AutoEncoderNew");
    await Deno.writeTextFile(file, config);
    await assert.rejects(loadSae(directory), /not used here and may change what the SAE computes: b_mag, b_gate/);
  });
});

Deno.test("settings that were not read are named", async () => {
  await using sae = await loadSae(new URL("sae_lens/standard/", DATA));
  assert.ok(sae.unused!.includes("dtype") && sae.unused!.includes("metadata.sae_lens_version"));
  const used = ["architecture", "d_in", "d_sae", "apply_b_dec_to_input", "normalize_activations", "metadata.hook_name"];
  assert.deepEqual(sae.unused!.filter((name) => used.includes(name)), []);
  await using learned = await loadSae(new URL(`formats/${CASES["dictionary_learning-AutoEncoderTopK"].path}`, DATA));
  assert.ok(!learned.unused!.includes("trainer.lm_name") && !learned.unused!.includes("trainer"));
});

Deno.test("reshape_activations says nothing where the hook has no heads to flatten: it is named", () => {
  const config = { d_in: 8, d_sae: 32, reshape_activations: "hook_z" };
  const unread = (hook_name: string): readonly string[] => readWholeConfig({ ...config, hook_name }).unread;
  assert.deepEqual(unread("blocks.0.attn.hook_z"), []);
  assert.deepEqual(unread("blocks.0.hook_resid_pre"), ["reshape_activations"]);
  const { unread: withMetadata } = readWholeConfig({ ...config, metadata: { hook_name: "blocks.0.hook_resid_pre" } });
  assert.deepEqual(withMetadata, ["reshape_activations"]);
});

Deno.test("ReadSettings: what was read, also in objects inside", () => {
  const read = new ReadSettings({ a: 1, b: { c: 2, d: { e: 3 } }, f: [1], g: { h: 4 }, "__proto__x": 5 });
  const { a, b, toString } = read.value as { a: number; b: { c: number }; toString: unknown };
  assert.deepEqual([a, b.c, toString], [1, 2, undefined]);
  assert.deepEqual(read.unread(), ["b.d", "f", "g", "__proto__x"]);
  read.forget();
  assert.deepEqual(read.unread(), ["a", "b", "f", "g", "__proto__x"]);
});
