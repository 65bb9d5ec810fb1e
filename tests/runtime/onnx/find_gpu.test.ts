import assert from "node:assert/strict";
import { findGpu } from "../../../lib/runtime/onnx/find_gpu.ts";
import { chooseDevice } from "../../../lib/runtime/runtime.ts";

/** A directory with these files, as a file system's root; gone at the end. */
async function machine(files: readonly string[]): Promise<{ root: string } & AsyncDisposable> {
  const root = await Deno.makeTempDir();
  for (const file of files) {
    await Deno.mkdir(`${root}${file}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${root}${file}`, "{}");
  }
  return { root, [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }) };
}

const NVIDIA = ["/dev/nvidia0", "/usr/share/vulkan/icd.d/nvidia_icd.json"];
const MESA = ["/dev/dri/renderD128", "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json"];
const SOFTWARE = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";

/** What is found on a machine with these files, and how often an adapter was asked for. */
async function find(
  files: readonly string[],
  variables: Record<string, string> = {},
): Promise<[string | undefined, number]> {
  await using there = await machine(files);
  let asked = 0;
  const name = await findGpu({
    os: "linux",
    root: there.root,
    variable: (name) => variables[name],
    cacheFile: `${there.root}/cache/gpu.json`,
    probe: () => Promise.resolve(`card ${++asked}`),
  });
  return [name, asked];
}

Deno.test("an adapter is asked for only where there are a device and a driver that is not software", async () => {
  for (const files of [NVIDIA, MESA, [...MESA, SOFTWARE], ["/dev/dxg", "/etc/vulkan/icd.d/dzn_icd.json"]]) {
    assert.deepEqual(await find(files), ["card 1", 1], files.join());
  }
  const none = [[], NVIDIA.slice(0, 1), NVIDIA.slice(1), [MESA[0], SOFTWARE], ["/dev/nvidiactl", NVIDIA[1]]];
  for (const files of none) assert.deepEqual(await find(files), [undefined, 0], files.join());
});

Deno.test("drivers that the environment names are the ones that count", async () => {
  const named = "/opt/nvidia_icd.json";
  assert.deepEqual(await find([NVIDIA[0], named], { VK_DRIVER_FILES: named }), ["card 1", 1]);
  assert.deepEqual(await find([...NVIDIA, SOFTWARE], { VK_ICD_FILENAMES: SOFTWARE }), [undefined, 0]);
  const home = { XDG_DATA_HOME: "/home/a/data" };
  assert.deepEqual(await find([NVIDIA[0], "/home/a/data/vulkan/icd.d/nvidia_icd.json"], home), ["card 1", 1]);
});

Deno.test("the answer is kept, also that there is none, until a driver's file changes", async () => {
  await using there = await machine(NVIDIA);
  let asked = 0;
  let answer: string | undefined;
  const ask = (): Promise<string | undefined> =>
    findGpu({
      os: "linux",
      root: there.root,
      variable: () => undefined,
      cacheFile: `${there.root}/cache/gpu.json`,
      probe: () => Promise.resolve((asked++, answer)),
    });
  assert.equal(await ask(), undefined);
  answer = "a card";
  assert.equal(await ask(), undefined);
  assert.equal(asked, 1);
  await Deno.utime(`${there.root}${NVIDIA[1]}`, 1, 1);
  assert.equal(await ask(), "a card");
  answer = undefined;
  assert.equal(await ask(), "a card");
  assert.equal(asked, 2);
  await Deno.writeTextFile(`${there.root}/cache/gpu.json`, "damaged");
  assert.equal(await ask(), undefined);
  assert.equal(asked, 3);
});

Deno.test("auto with much work ahead writes nothing to standard error, whatever drivers are here", async () => {
  const url = new URL("../../../lib/runtime/runtime.ts", import.meta.url);
  const script = `
    const { chooseDevice } = await import(${JSON.stringify(url)});
    const { device } = await chooseDevice({ work: () => Promise.resolve([1e15]) });
    console.log(["wasm", "native", "webgpu"].includes(device));`;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    env: { XDG_RUNTIME_DIR: "" },
  }).output();
  assert.deepEqual([code, new TextDecoder().decode(stdout), new TextDecoder().decode(stderr)], [0, "true\n", ""]);
});

Deno.test("little work never goes to a graphics processor", async () => {
  assert.notEqual((await chooseDevice({ work: () => Promise.resolve([1e9, 1e9]) })).device, "webgpu");
});
