/** Damaged files of every format: each ends in one clear error or in an SAE that reads inside its files. */
import assert from "node:assert/strict";
import { openSaes, SaeFiles } from "../../../lib/sae/formats/mod.ts";
import { TensorSae } from "../../../lib/sae/sae.ts";
import type { FileSource } from "../../../lib/weights/source.ts";
import { makeRandom } from "../../weights/fixtures.ts";

const DATA = new URL("../../data/formats/", import.meta.url);
const CASES = JSON.parse(Deno.readTextFileSync(new URL("cases.json", DATA))) as Record<string, { path: string }>;
const CROSS_LAYER = {
  "a cross-layer transcoder": { path: "../cross_layer/clt-jumprelu" },
  "a cross-layer transcoder of Gemma Scope 2": {
    path: "../cross_layer/gemma-scope-2-270m-pt/clt/width_16k_l0_big_affine",
  },
};
const ROUNDS = 150;
/** What the engine itself says when code meets what it does not expect. */
const ENGINE =
  /is not a function|not iterable|properties of|Invalid (array|typed)|Cannot (convert|mix)|out of bounds|call stack/;

/** The files of a case by their path in its directory, and the one that it names. */
function filesOf(path: string): { files: Map<string, Uint8Array>; named?: string; directory: string } {
  const url = new URL(path, DATA);
  const isFile = Deno.statSync(url).isFile;
  const directory = isFile ? path.slice(0, path.lastIndexOf("/")) : path;
  const files = new Map<string, Uint8Array>();
  const visit = (below: string): void => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(`${directory}/${below}`, DATA))) {
      if (isDirectory) visit(`${below}${name}/`);
      else files.set(below + name, Deno.readFileSync(new URL(`${directory}/${below}${name}`, DATA)));
    }
  };
  visit("");
  return { files, directory, named: isFile ? path.slice(path.lastIndexOf("/") + 1) : undefined };
}

/** A directory in memory. A read outside a file is a plain Error, which no reader may let happen. */
function memory(location: string, files: ReadonlyMap<string, Uint8Array>): FileSource {
  const find = (path: string): Uint8Array => {
    const bytes = files.get(path);
    if (!bytes) throw new Error(`there is no ${path}`);
    return bytes;
  };
  const close = (): Promise<void> => Promise.resolve();
  return {
    location,
    size: (path) => Promise.resolve(files.get(path)?.length),
    read: (path, offset, length, into = new Uint8Array(length)) => {
      const bytes = find(path);
      if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) throw new Error("read out of bounds");
      into.set(bytes.subarray(offset, offset + length));
      return Promise.resolve(into.subarray(0, length));
    },
    readText: (path) => {
      if (!files.has(path)) return Promise.reject(new Deno.errors.NotFound(`there is no ${path}`));
      return Promise.resolve(new TextDecoder().decode(find(path)));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

function damage(bytes: Uint8Array, random: () => number): Uint8Array {
  if (random() < 0.2) return bytes.slice(0, Math.floor(random() * bytes.length));
  const damaged = bytes.slice();
  // Headers and directories are at the beginning and the end; numbers may be anything.
  const near = Math.min(bytes.length, 700);
  for (let i = 0; i < 1 + random() * 5; i++) {
    const from = random() < 0.5 ? 0 : bytes.length - near;
    damaged[from + Math.floor(random() * near)] = random() < 0.3 ? 0xff : Math.floor(random() * 256);
  }
  return damaged;
}

for (const [seed, [name, { path }]] of Object.entries({ ...CASES, ...CROSS_LAYER }).entries()) {
  Deno.test(`damaged files of ${name}`, async () => {
    const random = makeRandom(seed);
    const { files, named, directory } = filesOf(path);
    const names = [...files.keys()];
    let opened = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const victim = round === 0 ? undefined : names[Math.floor(random() * names.length)];
      const damaged = new Map(files);
      if (victim !== undefined) damaged.set(victim, damage(files.get(victim)!, random));
      try {
        for (const { config, store } of await openSaes(new SaeFiles(memory(directory, damaged), named), {})) {
          assert.ok(config.dIn * config.dSae < 1e8);
          const sae = new TensorSae(config, store, directory);
          if (store.tensors.has("W_enc")) await store.readColumnRange("W_enc", 1, Math.min(9, sae.config.dSae));
          await store.readRows("W_dec", [0, sae.config.dSae - 1]);
          for (const tensor of store.tensors.keys()) await store.read(tensor);
        }
        opened++;
      } catch (error) {
        const isClear = error instanceof SyntaxError || error instanceof RangeError || error instanceof TypeError ||
          error instanceof Deno.errors.NotFound;
        const isOurs = isClear && /[a-z]/.test(error.message) && !ENGINE.test(error.message);
        assert.ok(isOurs, `round ${round}, ${victim}: ${error instanceof Error ? error.stack : error}`);
      }
    }
    assert.ok(opened > 0, "none opened");
  });
}
