import assert from "node:assert/strict";
import { PARTIAL_ENDING, rangesDirectory } from "../../../lib/weights/hub/cache/layout.ts";
import { COMMIT, etagOf, type FakeFile, FakeHub, makeBytes, settingsFor, textFile, tree, withHub } from "./fake_hub.ts";

const NAME = "m.safetensors";
const weights: FakeFile = { bytes: makeBytes(2_000_000), lfs: true };
const REPO = "hub/models--owner--name";

/** A process that opens the hub of a test and does something with `source`. */
function startProcess(
  hub: FakeHub,
  home: string,
  code: string,
  { permissions = ["-A"], options = {}, limit }: {
    permissions?: string[];
    options?: Record<string, unknown>;
    /** Of a file, in KiB. */
    limit?: number;
  } = {},
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
  const [command, ...words] = limit === undefined
    ? [Deno.execPath(), ...args]
    : ["bash", "-c", `trap "" XFSZ; ulimit -f ${limit}; exec "$@"`, "bash", Deno.execPath(), ...args];
  return new Deno.Command(command, { args: words, stdout: "piped", stderr: "piped" }).spawn();
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
    // A file may have 1 MiB here: what the system says then is handled as a full disk is.
    const child = startProcess(hub, home, `await source.download("${NAME}");`, { limit: 1024 });
    const output = (await outputOf(child)).trim();
    assert.match(output, /^Error: Cannot write .*: the disk is full; free some space .*goes on where this stopped$/);
    assert.ok(!output.includes("\n"));
    assert.deepEqual(await tree(`${home}/${REPO}`), { [`blobs/${etagOf(weights)}${PARTIAL_ENDING}`]: "1048576" });
    const blob = `${home}/${REPO}/blobs/${etagOf(weights)}`;
    await using source = open();
    assert.equal((await source.download(NAME)).came, 2_000_000 - 2 ** 20); // there is space again
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

/** What a link that somebody planted leads to, and what is there afterwards. */
async function throughLink(
  plant: (home: string, target: string) => Promise<void>,
  act: (open: Parameters<Parameters<typeof withHub>[1]>[1]) => Promise<unknown>,
): Promise<{ refused: string; target: Record<string, string>; content: string }> {
  let outcome = { refused: "", target: {}, content: "" };
  await withHub({ [NAME]: weights }, async (_, open, home) => {
    const target = `${home}/elsewhere`;
    await Deno.mkdir(target);
    await Deno.writeTextFile(`${target}/file`, "precious");
    await plant(home, target);
    const refused = await act(open).then(() => "", (error: Error) => error.message);
    outcome = { refused, target: await tree(target), content: await Deno.readTextFile(`${target}/file`) };
  });
  return outcome;
}

Deno.test("links that are planted in the cache are not written through", async (t) => {
  const etag = etagOf(weights);
  const link = async (target: string, path: string): Promise<void> => {
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.symlink(target, path);
  };
  const download: Parameters<typeof throughLink>[1] = async (open) => {
    await using source = open();
    await source.download(NAME);
    assert.deepEqual(await source.read(NAME, 5, 9), weights.bytes.slice(5, 14));
  };
  const files = [
    `${REPO}/blobs/${etag}${PARTIAL_ENDING}`,
    `${REPO}/blobs/${etag}`,
    `${REPO}/refs/main`,
    `${REPO}/snapshots/${COMMIT}/${NAME}`,
    `hub/.locks/models--owner--name/${etag}.lock`,
  ];
  for (const path of files) {
    await t.step(path.slice(0, path.lastIndexOf("/")), async () => {
      for (const name of ["file", "new"]) {
        const found = await throughLink((home, target) => link(`${target}/${name}`, `${home}/${path}`), download);
        assert.deepEqual(found.target, { file: "8" }, `${path} ${found.refused}`);
        assert.equal(found.content, "precious");
      }
    });
  }
  const directories = ["blobs", "snapshots", `snapshots/${COMMIT}`, "refs"];
  for (const path of directories) {
    await t.step(`the directory ${path}`, async () => {
      const found = await throughLink((home, target) => link(target, `${home}/${REPO}/${path}`), download);
      assert.match(found.refused, /^Cannot write .* is a link, which is not written through; /);
      assert.deepEqual([found.target, found.content], [{ file: "8" }, "precious"]);
    });
  }
  await t.step("parts of files", async () => {
    const read: Parameters<typeof throughLink>[1] = async (open) => {
      await using source = open({ weights: "ranges" });
      assert.deepEqual(await source.read(NAME, 5, 9), weights.bytes.slice(5, 14));
    };
    const own = (home: string): Promise<string> => rangesDirectory(`${home}/own/ranges`, "owner/name", NAME, etag);
    for (const name of ["data", "index.json", "lock"]) {
      for (const size of [8, weights.bytes.length]) {
        const plant = async (home: string, target: string): Promise<void> => {
          await Deno.truncate(`${target}/file`, size);
          await link(`${target}/file`, `${await own(home)}/${name}`);
        };
        const found = await throughLink(plant, read);
        assert.deepEqual([found.refused, found.target], ["", { file: String(size) }], name);
        assert.equal(found.content.replaceAll("\0", ""), "precious");
      }
    }
    const found = await throughLink((home, target) => own(home).then((place) => link(target, place)), read);
    assert.match(found.refused, / is a link, which is not written through; /);
    assert.deepEqual(found.target, { file: "8" });
  });
});
