import assert from "node:assert/strict";
import { PARTIAL_ENDING } from "../../../lib/weights/hub/layout.ts";
import { COMMIT, etagOf, type FakeFile, FakeHub, makeBytes, settingsFor, textFile, tree, withHub } from "./fake_hub.ts";

const NAME = "m.safetensors";
const weights: FakeFile = { bytes: makeBytes(2_000_000), lfs: true };
const REPO = "hub/models--owner--name";

/** A process that opens the hub of a test and does something with `source`. */
function startProcess(
  hub: FakeHub,
  home: string,
  code: string,
  { permissions = ["-A"], options = {} }: { permissions?: string[]; options?: Record<string, unknown> } = {},
): Deno.ChildProcess {
  const module = new URL("../../../lib/weights/hub/hub.ts", import.meta.url).href;
  const settings = JSON.stringify({ repo: hub.repo, ...settingsFor(hub.endpoint, home), ...options });
  const text = `import { openHub } from ${JSON.stringify(module)};
    await using source = openHub(${settings});
    try { ${code} } catch (error) { console.log(error.name + ": " + error.message); }`;
  const args = [
    "run",
    "--no-prompt",
    "--no-check",
    "--quiet",
    ...permissions,
    `data:application/typescript,${encodeURIComponent(text)}`,
  ];
  return new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).spawn();
}

async function outputOf(child: Deno.ChildProcess): Promise<string> {
  const { stdout, stderr } = await child.output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

Deno.test("two processes at once: one downloads, both read the right bytes", async () => {
  await withHub({ [NAME]: weights }, async (hub, _, home) => {
    const code = `const bytes = await source.read("${NAME}", 1000, 4);
      console.log((await source.download("${NAME}")).came, ...bytes);`;
    const outputs = await Promise.all([1, 2, 3].map(() => outputOf(startProcess(hub, home, code))));
    const wanted = [...weights.bytes.subarray(1000, 1004)].join(" ");
    const came = outputs.map((output) => {
      assert.ok(output.trim().endsWith(wanted), output);
      return Number(output.split(" ")[0]);
    });
    assert.deepEqual(came.sort(), [0, 0, 2_000_000]);
    assert.equal(hub.bytesOf(NAME), 2_000_000);
    assert.deepEqual(await Deno.readFile(`${home}/${REPO}/blobs/${etagOf(weights)}`), weights.bytes);
  });
});

Deno.test("two processes that read parts: both index what they have", async () => {
  await withHub({ [NAME]: weights }, async (hub, open, home) => {
    const options = { weights: "ranges" };
    const read = (offset: number): string => `console.log(...await source.read("${NAME}", ${offset}, 3));`;
    const outputs = await Promise.all(
      [0, 500_000, 1_500_000].map(async (offset) => {
        const output = await outputOf(startProcess(hub, home, read(offset), { options }));
        return output.trim() === [...weights.bytes.subarray(offset, offset + 3)].join(" ");
      }),
    );
    assert.deepEqual(outputs, [true, true, true]);
    const before = hub.bytesOf(NAME);
    await using source = open({ weights: "ranges" });
    for (const offset of [0, 500_000, 1_500_000]) await source.read(NAME, offset, 3);
    assert.equal(hub.bytesOf(NAME), before);
  });
});

Deno.test("a killed process leaves no broken blob, and the next goes on where it was", async () => {
  for (const signal of ["SIGKILL", "SIGINT"] as const) {
    await withHub({ [NAME]: weights }, async (hub, open, home) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      hub.fault = (request, { at }) => at === "storage" ? hub.cut(request, NAME, 1_200_000, () => promise) : undefined;
      const child = startProcess(hub, home, `await source.download("${NAME}");`);
      const partial = `${home}/${REPO}/blobs/${etagOf(weights)}${PARTIAL_ENDING}`;
      while ((await Deno.stat(partial).catch(() => undefined))?.size !== 1_200_000) {
        await new Promise((go) => setTimeout(go, 10));
      }
      child.kill(signal);
      await outputOf(child);
      resolve();
      assert.deepEqual(Object.keys(await tree(`${home}/${REPO}`)), [`blobs/${etagOf(weights)}${PARTIAL_ENDING}`]);
      hub.fault = () => undefined;
      await using source = open();
      assert.equal((await source.download(NAME)).came, 800_000);
      assert.equal(hub.bytesOf(NAME), 2_000_000);
      assert.deepEqual(await Deno.readFile(`${home}/${REPO}/blobs/${etagOf(weights)}`), weights.bytes);
    });
  }
});

Deno.test("a full disk is told in one line, and leaves no broken blob", async () => {
  await withHub({ [NAME]: weights, "config.json": textFile("{}") }, async (hub, open, home) => {
    await using full = open({ freeSpace: () => Promise.resolve(1000) });
    await assert.rejects(full.download(NAME), /needs 2000000 bytes, the disk has 1000; free some space or set HF_HOME/);
    assert.deepEqual(Object.keys(await tree(`${home}/${REPO}`)), []);
    assert.equal(hub.bytesOf(NAME), 0);
    if (Deno.build.os !== "linux") return;
    // Every write to /dev/full fails as on a full disk.
    const blob = `${home}/${REPO}/blobs/${etagOf(weights)}`;
    await Deno.symlink("/dev/full", blob + PARTIAL_ENDING);
    await using source = open();
    await assert.rejects(source.download(NAME), (error: Error) => {
      assert.match(error.message, /^Cannot write .*: the disk is full; free some space .*goes on where this stopped$/);
      return !error.message.includes("\n");
    });
    assert.deepEqual(Object.keys(await tree(`${home}/${REPO}`)), []);
    await source.download(NAME); // there is space again
    assert.deepEqual(await Deno.readFile(blob), weights.bytes);
  });
});

Deno.test("denied writes and a cache that is no directory are told in one line", async () => {
  await withHub({ [NAME]: weights, "config.json": textFile("{}") }, async (hub, open, home) => {
    const permissions = ["--allow-net", "--allow-read", "--allow-env", `--deny-write=${home}`];
    const denied = await outputOf(startProcess(hub, home, `await source.download("config.json");`, { permissions }));
    assert.match(denied, /^NotCapable: Cannot write .*: not allowed; pass --allow-write=/);
    await Deno.writeTextFile(`${home}/file`, "");
    await using source = open({ cacheDirectory: `${home}/file`, rangesDirectory: `${home}/file` });
    await assert.rejects(
      source.download("config.json"),
      /^Error: Cannot write .*set HF_HOME and SAE_ATTRIBUTION_CACHE/,
    );
    await using parts = open({ weights: "ranges", rangesDirectory: `${home}/file` });
    await assert.rejects(parts.read(NAME, 0, 1), /Cannot write .*set HF_HOME and SAE_ATTRIBUTION_CACHE/);
  });
});

Deno.test("a complete cache is read without writing", async () => {
  await withHub({ "config.json": textFile("{}") }, async (hub, open, home) => {
    {
      await using source = open();
      await source.readText("config.json");
    }
    const permissions = ["--allow-net", "--allow-read", "--allow-env", `--deny-write`];
    const code = `console.log(await source.readText("config.json"), source.revision);`;
    assert.equal((await outputOf(startProcess(hub, home, code, { permissions }))).trim(), `{} ${COMMIT}`);
  });
});
