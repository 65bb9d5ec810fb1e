/** Files chosen in a page: read in place, by the readers that every model and SAE has. */
import assert from "node:assert/strict";
import { calculateFeatureAttribution, loadModel, loadSae, logitDiff, longTable } from "../../../mod.ts";
import { type ChosenFile, chosenFiles, offerFiles } from "../../../lib/weights/files/chosen.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { makeRandom } from "../fixtures.ts";

const DATA = new URL("../../data/", import.meta.url);

/** What a directory input gives: files with paths that begin with the directory's name. */
async function choose(path: string, rename: (path: string) => string = (path) => path): Promise<ChosenFile[]> {
  const files: ChosenFile[] = [];
  for await (const { name, isFile } of Deno.readDir(new URL(path, DATA))) {
    if (!isFile) continue;
    const bytes = await Deno.readFile(new URL(`${path}/${name}`, DATA));
    files.push(withPath(new File([bytes], name), rename(`${path.split("/").at(-1)}/${name}`)));
  }
  return files;
}

function withPath(file: File, path: string): ChosenFile {
  return Object.defineProperty(file, "webkitRelativePath", { value: path });
}

/** What a directory picker gives. */
function handle(name: string, files: readonly ChosenFile[]): Parameters<typeof chosenFiles>[0][number] {
  return {
    kind: "directory",
    name,
    async *values() {
      for (const file of files) yield await { kind: "file" as const, getFile: () => Promise.resolve(file) };
    },
  };
}

async function attribute(model: string | URL, sae: string | URL, options: { hook?: string } = {}): Promise<unknown> {
  await using loaded = await loadModel(model, { threads: 1 });
  await using one = await loadSae(sae, options);
  const metric = logitDiff(333, 216);
  const result = await calculateFeatureAttribution(loaded, " Tiger Woods plays the sport of", metric, { saes: [one] });
  return [...(await longTable(result)).rows];
}

Deno.test("a chosen model and SAE: the rows of their directories", async () => {
  const expected = await attribute(new URL("models/llama", DATA), new URL("saes/llama-std-pre1", DATA));
  const model = offerFiles(await chosenFiles(await choose("models/llama")));
  const sae = offerFiles(await chosenFiles([handle("my sae @1", await choose("saes/llama-std-pre1"))]));
  assert.deepEqual([model, sae], ["chosen://llama", "chosen://my%20sae%20%401"]);
  const found = await attribute(model, sae);
  assert.ok((expected as unknown[]).length > 20);
  assert.deepEqual(found, expected);
  // Below one directory that has both.
  const both = await chosenFiles([
    ...await choose("models/llama", (path) => `all/${path}`),
    ...await choose("saes/llama-std-pre1", (path) => `all/saes/${path}`),
  ]);
  const all = offerFiles(both);
  assert.deepEqual(await attribute(`${all}/llama`, `${all}/saes/llama-std-pre1`), expected);
});

Deno.test("one file that is an SAE: npz and torch by the same readers", async () => {
  for (const [path, file, options] of FILES) {
    const url = new URL(`formats/${path}/${file}`, DATA);
    const location = offerFiles(await chosenFiles([new File([await Deno.readFile(url)], file)]));
    assert.equal(location.replace(/^.*\//, ""), encodeURIComponent(file));
    await using expected = await loadSae(url, options);
    await using sae = await loadSae(location, options);
    const { dSae, dIn, architecture } = sae.config;
    assert.deepEqual([dSae, dIn, architecture], [
      expected.config.dSae,
      expected.config.dIn,
      expected.config.architecture,
    ]);
    assert.deepEqual(await sae.fileHashes(), await expected.fileHashes());
  }
});

const FILES: readonly [directory: string, file: string, options: { hook: string; k?: number }][] = [
  ["gemma-scope-2b-pt-res/layer_1/width_4k/average_l0_5", "params.npz", { hook: "blocks.1.hook_resid_post" }],
  ["SAE-Res-Qwen3-1.7B-Base-W32K-L0_5", "layer1.sae.pt", { hook: "blocks.1.hook_resid_post", k: 5 }],
];

Deno.test("parts of a chosen file, and what is wrong with one", async () => {
  const random = makeRandom(5);
  const bytes = Uint8Array.from({ length: 300_000 }, () => random() * 256);
  const chosen = await chosenFiles([new File([bytes], "a.bin"), new File(["{"], "b.json")]);
  assert.equal(chosen.name, "a.bin");
  const source = openSource(offerFiles(chosen));
  const parts = Array.from({ length: 50 }, () => ({ offset: Math.floor(random() * 290_000), length: 100 }))
    .toSorted((a, b) => a.offset - b.offset);
  const into = new Uint8Array(5000);
  await source.readParts!("a.bin", parts, into);
  assert.deepEqual([...into], parts.flatMap(({ offset, length }) => [...bytes.slice(offset, offset + length)]));
  assert.deepEqual(await source.read("a.bin", 299_990, 10), bytes.slice(299_990));
  assert.equal(await source.size("c"), undefined);
  await assert.rejects(source.read("a.bin", 299_990, 11), RangeError);
  await assert.rejects(source.readText("c"), {
    name: "NotFound",
    message: "Cannot read chosen://a.bin/c: no such file",
  });
  await assert.rejects(source.size("../b.json"), RangeError);
  await assert.rejects(source.readText("a.bin", 1000), /exceed the limit/);
  assert.equal(offerFiles(chosen), "chosen://a.bin%20(2)", "the same name again is another place");
  await source.close();
  await assert.rejects(source.size("a.bin"), { name: "BadResource" });
  assert.throws(() => openSource("chosen://never"), /Cannot open chosen:\/\/never: choose the files again/);
  await assert.rejects(chosenFiles([]), /Nothing was chosen/);
  const gone = {
    size: 5,
    slice: () => ({ arrayBuffer: () => Promise.reject(new DOMException("", "NotReadableError")) }),
  };
  const moved = openSource(offerFiles({ name: "moved", files: new Map([["a", gone as unknown as Blob]]) }));
  await assert.rejects(moved.read("a", 0, 5), /it was changed, moved or removed since it was chosen; choose it again$/);
});

Deno.test("a home directory is no model", async () => {
  const many = Array.from({ length: 20_001 }, (_, i) => withPath(new File([], `${i}`), `home/${i}`));
  await assert.rejects(chosenFiles(many), /There are more than 20000 files/);
  const deep = (depth: number): Parameters<typeof chosenFiles>[0][number] => ({
    kind: "directory",
    name: `d${depth}`,
    async *values() {
      yield await deep(depth + 1) as never;
    },
  });
  await assert.rejects(chosenFiles([deep(0)]), /"d17" lies too deep/);
});
