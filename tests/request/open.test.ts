/** Opening what a request runs on. */
import assert from "node:assert/strict";
import { open } from "../../lib/request/open.ts";
import { readModel } from "../../lib/request/request.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";

const SAE = { source: "tiny-facts/blocks.3.hook_resid_pre" };
const MODEL = readModel({ model: "tiny-facts", threads: 1 });
const CROSS_LAYER = fromFileUrl(new URL("../data/cross_layer/clt-relu", import.meta.url));

/** Files that this process holds open; none where the system does not tell. */
function openFiles(): string[] {
  try {
    return [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
      try {
        return [Deno.readLinkSync(`/proc/self/fd/${name}`)];
      } catch {
        return []; // the one that lists them
      }
    }).filter((path) => path.endsWith(".safetensors")).sort();
  } catch {
    return [];
  }
}

Deno.test("nothing stays open if one of several cannot be opened; what is missing is named", async () => {
  const before = openFiles();
  const failing = open({ ...MODEL, saes: [SAE, { source: "./no-such-thing" }] });
  await assert.rejects(failing, /no-such-thing.*: give a directory, a URL, or a bundled name \(tiny-facts\//);
  assert.deepEqual(openFiles(), before);
  {
    await using opened = await open({ ...MODEL, saes: [SAE] });
    assert.deepEqual(opened.saes.map(({ hookOut }) => hookOut), ["blocks.3.hook_resid_pre"]);
    if (Deno.build.os === "linux") assert.ok(openFiles().length > before.length);
  }
  assert.deepEqual(openFiles(), before);
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
