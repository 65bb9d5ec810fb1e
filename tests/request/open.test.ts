/** Opening what a request runs on. */
import assert from "node:assert/strict";
import { open } from "../../lib/request/open.ts";
import { readModel } from "../../lib/request/request.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";

const MODEL = readModel({ model: "tiny-facts", threads: 1 });
const CROSS_LAYER = fromFileUrl(new URL("../data/cross_layer/clt-relu", import.meta.url));

/** Files below a directory that this process holds open, as other tests may hold others; none where the system does not tell. */
function openFiles(directory: string): string[] {
  try {
    return [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
      try {
        return [Deno.readLinkSync(`/proc/self/fd/${name}`)];
      } catch {
        return []; // the one that lists them, or one that has just been closed
      }
    }).filter((path) => path.startsWith(`${directory}/`));
  } catch {
    return [];
  }
}

/** A directory with copies of the bundled model and an SAE, which nobody else opens; gone at the end. */
async function copies(): Promise<{ directory: string; model: string; sae: string } & AsyncDisposable> {
  const directory = await Deno.realPath(await Deno.makeTempDir());
  const bundled = new URL("../../models/bundled/", import.meta.url);
  const copy = async (name: string, to: string): Promise<string> => {
    await Deno.mkdir(`${directory}/${to}`);
    for (const { name: file, isFile } of Deno.readDirSync(new URL(`${name}/`, bundled))) {
      if (isFile) await Deno.copyFile(new URL(`${name}/${file}`, bundled), `${directory}/${to}/${file}`);
    }
    return `${directory}/${to}`;
  };
  return {
    directory,
    model: await copy("tiny-facts", "model"),
    sae: await copy("tiny-facts-saes/blocks.3.hook_resid_pre", "sae"),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

Deno.test("nothing stays open if one of several cannot be opened; what is missing is named", async () => {
  await using own = await copies();
  const model = { ...MODEL, model: own.model };
  const failing = open({ ...model, saes: [{ source: own.sae }, { source: "./no-such-thing" }] });
  await assert.rejects(failing, /no-such-thing.*: give a directory, a URL, or a bundled name \(tiny-facts\//);
  assert.deepEqual(openFiles(own.directory), []);
  {
    await using opened = await open({ ...model, saes: [{ source: own.sae }] });
    assert.deepEqual(opened.saes.map(({ hookOut }) => hookOut), ["blocks.3.hook_resid_pre"]);
    if (Deno.build.os === "linux") assert.ok(openFiles(own.directory).length > 0);
  }
  assert.deepEqual(openFiles(own.directory), []);
  await assert.rejects(open({ ...MODEL, model: "./no-such-model", saes: [] }), /a bundled name \(tiny-facts/);
});

Deno.test("every SAE has the request that it was opened for; explanations are of one layer", async () => {
  const asked = [{ source: "tiny-facts/blocks.{layer}.hook_resid_pre" }];
  const layers = open({ ...MODEL, saes: asked });
  await assert.rejects(layers, /tiny-facts\/blocks\.0\.hook_resid_pre/); // of the bundled model there are layers 2 and 3
  const model = { ...MODEL, model: fromFileUrl(new URL("../data/models/gpt2", import.meta.url)) };
  await using opened = await open({ ...model, saes: [{ source: CROSS_LAYER }] });
  assert.ok(opened.saes.length > 1);
  assert.deepEqual(opened.requests, opened.saes.map(() => ({ source: CROSS_LAYER })));
  const explained = open({ ...model, saes: [{ source: CROSS_LAYER, explanations: ["labels.json"] }] });
  await assert.rejects(explained, /is a cross-layer transcoder: `explanations` cannot say which layer it is about/);
});
