import assert from "node:assert/strict";
import { join } from "node:path";
import { findNative, NATIVE_VERSION } from "../../../lib/runtime/onnx/find_native.ts";

const PROGRAM = new URL("../../../", import.meta.url).pathname;

/** `node_modules` with a package of this name and version; gone at the end. */
async function installed(
  { name = "onnxruntime-node", version = NATIVE_VERSION, json = JSON.stringify({ name, version }) } = {},
): Promise<{ directory: string; modules: string; found: string } & AsyncDisposable> {
  const directory = await Deno.realPath(await Deno.makeTempDir());
  const modules = `${directory}/node_modules`;
  await Deno.mkdir(`${modules}/onnxruntime-node`, { recursive: true });
  await Deno.writeTextFile(`${modules}/onnxruntime-node/package.json`, json);
  await Deno.writeTextFile(`${modules}/onnxruntime-node/index.js`, 'console.error("PLANTED CODE RAN")');
  return {
    directory,
    modules,
    found: `${modules}/onnxruntime-node`,
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

Deno.test("a package of the right name and version in NODE_PATH is taken, another patch of it too", async () => {
  for (const version of [NATIVE_VERSION, NATIVE_VERSION.replace(/\d+$/, "9")]) {
    await using there = await installed({ version });
    assert.deepEqual(findNative({ nodePath: `/nowhere:${there.modules}` }), { directory: there.found, version });
  }
});

Deno.test("another name, another version, and what is no package are refused with the reason", async () => {
  const cases = [
    [{ name: "onnxruntime-n0de" }, /is not onnxruntime-node/],
    [{ json: "not JSON" }, /is not onnxruntime-node/],
    [{ version: "1.17.0" }, /is version 1\.17\.0, and 1\.30 is what the numbers are tested with$/],
  ] as const;
  for (const [what, reason] of cases) {
    await using there = await installed(what);
    const { directory, refused } = findNative({ nodePath: there.modules });
    assert.equal(directory, undefined);
    assert.match(refused!, reason);
    await using right = await installed();
    assert.equal(findNative({ nodePath: `${there.modules}:${right.modules}` }).directory, right.found);
  }
});

Deno.test({
  name: "what others can change is refused: the package, its file, the directory above it, another owner's",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (const path of ["", "onnxruntime-node", "onnxruntime-node/package.json", "onnxruntime-node/index.js"]) {
      await using there = await installed();
      await Deno.chmod(join(there.modules, path), 0o777);
      assert.match(findNative({ nodePath: there.modules }).refused!, /can be changed by others \(/);
      await Deno.chmod(join(there.modules, path), 0o755);
      assert.equal(findNative({ nodePath: there.modules }).directory, there.found);
      if (Deno.uid() !== 0) continue; // only then another's file can be made
      await Deno.chown(join(there.modules, path), 12345, 12345);
      assert.match(findNative({ nodePath: there.modules }).refused!, /can be changed by others \(/);
    }
  },
});

/** What a program in some directory says of `auto` and `native`. */
async function devicesIn(cwd: string): Promise<string> {
  const script = `
    const { createRuntime } = await import(${JSON.stringify(`file://${PROGRAM}lib/runtime/runtime.ts`)});
    await using runtime = await createRuntime({ threads: 1, work: () => Promise.resolve([0]) });
    console.log(runtime.device);
    if (Deno.args[0]) await createRuntime({ device: "native" }).catch(({ message }) => console.log(message));`;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["eval", script, "native"],
    cwd,
    env: { NODE_PATH: "" },
  });
  const { stdout, stderr } = await command.output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("auto never loads a package because of the directory in which it runs, nor of one above", async () => {
  await using planted = await installed();
  const below = `${planted.directory}/a/b`;
  await Deno.mkdir(below, { recursive: true });
  for (const cwd of [planted.directory, below]) {
    const said = await devicesIn(cwd);
    assert.equal(said.split("\n")[0], "wasm");
    // Only when the user asks for it: this one then says that it is no onnxruntime.
    assert.ok(said.includes("PLANTED CODE RAN"), said);
    assert.ok(said.indexOf("PLANTED") > said.indexOf("wasm"), said);
  }
});

Deno.test("a package that others can change is not taken when the user asks for native either", async () => {
  await using planted = await installed();
  await Deno.chmod(planted.found, 0o777);
  const said = await devicesIn(planted.directory);
  assert.match(said, /^wasm\nDevice "native" does not take what is installed: .*can be changed by others/);
  assert.ok(!said.includes("PLANTED"), said);
});
