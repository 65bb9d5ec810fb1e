/** NaN or an infinite number in any tensor of an SAE never becomes an ordinary activation, in any architecture. */
import assert from "node:assert/strict";
import { createRuntime, type Device } from "../../lib/runtime/runtime.ts";
import { loadSae } from "../../lib/sae/load.ts";
import { encodePrompts } from "../../lib/sae/encode_prompts.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import { openSafetensors } from "../../lib/weights/tensors/tensors.ts";

const DATA = new URL("../data/sae_lens/", import.meta.url);
const NAMES = [...Deno.readDirSync(DATA)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name).sort();
const WEIGHTS = "sae_weights.safetensors";
const SAID =
  /^The activation of feature \d+ of the SAE at blocks\.0\.[\w.]+ is (NaN|-?Infinity) at position (\d+): its weights are damaged or overflow$/;

/** Whose b_dec is neither subtracted nor added. */
const UNUSED = new Set(["matching_pursuit-repeated", "temporal-no_b_dec"]);

/** What the SAE makes of x with one number of a tensor changed: an error's message, or x̂. */
async function poisoned(name: string, device: Device, tensor: string, index: number, value: number) {
  const directory = await Deno.makeTempDir();
  try {
    await using runtime = await createRuntime({ device, threads: 1 });
    await using source = openSource(new URL(`${name}/`, DATA));
    const { tensors } = await openSafetensors(source, { file: WEIGHTS });
    const bytes = await Deno.readFile(new URL(`${name}/${WEIGHTS}`, DATA));
    const { offset, dtype } = tensors.get(tensor)!;
    assert.equal(dtype, "F32");
    new DataView(bytes.buffer).setFloat32(offset + 4 * index, value, true);
    await Deno.writeFile(`${directory}/${WEIGHTS}`, bytes);
    await Deno.copyFile(new URL(`${name}/cfg.json`, DATA), `${directory}/cfg.json`);
    await using sae = await loadSae(directory);
    const x = await (await openSafetensors(source, { file: "expected.safetensors" })).read("x");
    return await sae.decode(await sae.encode(runtime, x)).catch((error) => error as Error);
  } catch (error) {
    return error as Error;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A feature that is active, and every tensor's name. */
async function look(name: string): Promise<{ active: number; d: number; names: string[] }> {
  await using source = openSource(new URL(`${name}/`, DATA));
  const [weights, expected] = await Promise.all(
    [WEIGHTS, "expected.safetensors"].map((file) => openSafetensors(source, { file })),
  );
  const acts = await expected.read("feature_acts");
  const [dSae, d] = weights.tensors.get("W_dec")!.shape;
  return { active: acts.findIndex((value) => value !== 0) % dSae, d, names: [...weights.tensors.keys()] };
}

for (const device of ["wasm", "onnx"] as const) {
  for (const name of NAMES) {
    Deno.test(`${device}: ${name} with a number that is none`, async () => {
      const { active, d, names } = await look(name);
      for (const tensor of names) {
        const index = tensor === "W_dec" ? active * d : tensor.includes("W_") ? 3 : 1;
        for (const value of /^W_|^b_dec/.test(tensor) ? [NaN, Infinity, -Infinity] : [NaN]) {
          const found = await poisoned(name, device, tensor, index, value);
          const what = `${value} in ${tensor}`;
          if (found instanceof Error) assert.match(found.message, SAID, what);
          else if (tensor === "b_dec" && UNUSED.has(name)) {
            assert.deepEqual(found, await poisoned(name, device, tensor, index, 0), what);
          } else {
            assert.ok(found.some((x) => !Number.isFinite(x)), what);
            // What only the output reads shows there.
            assert.ok(/^W_dec|^W_skip|^b_dec/.test(tensor), what);
          }
        }
      }
    });
  }
}

Deno.test("of several prompts, the position is the one in its prompt", async () => {
  await using runtime = await createRuntime({ threads: 1 });
  await using sae = await loadSae(new URL("standard/", DATA));
  const { dIn } = sae.config;
  const [first, second] = [new Float32Array(3 * dIn).fill(1), new Float32Array(4 * dIn).fill(1)];
  second[2 * dIn + 5] = Infinity;
  const error: Error = await encodePrompts(sae, runtime, [first, second]).then(() => assert.fail(), (e) => e);
  assert.equal(SAID.exec(error.message)?.[2], "2");
});
