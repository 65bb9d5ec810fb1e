/** What the user's own files are taken for. */
import assert from "node:assert/strict";
import { findLocalFiles } from "../../lib/site/page/local_files.ts";
import { openSource } from "../../lib/weights/files/source.ts";
import type { LocalFile } from "../../lib/web/page/engine.ts";

const files = (contents: Readonly<Record<string, string>>): LocalFile[] =>
  Object.entries(contents).map(([path, text]) => ({ path, file: new Blob([text]) }));

const namesOf = (choices: readonly { readonly name: string }[]): string[] => choices.map(({ name }) => name);

Deno.test("directories of models and SAEs, files that are SAEs, and what belongs to them", async () => {
  const found = await findLocalFiles(files({
    "all/gpt 2/config.json": '{"model_type":"gpt2"}',
    "all/gpt 2/model-00001-of-00002.safetensors": "",
    "all/chat_template.jinja": "{{ messages }}",
    "all/sae/cfg.json": "{}",
    "all/sae/sae_weights.safetensors": "",
    "all/labels.json": '{"features":{}}',
    "all/README.md": "",
  }));
  assert.deepEqual(found.models, [{ name: "chosen://all/gpt%202", description: "gpt2, from your files", local: true }]);
  assert.deepEqual(namesOf(found.saes), ["chosen://all/sae"]);
  assert.deepEqual(found.ignored, ["README.md: it is no part of a model or an SAE"]);
  await using model = openSource(found.models[0].name);
  assert.equal(await model.readText("chat_template.jinja"), "{{ messages }}");
  await using sae = openSource(found.saes[0].name);
  assert.equal(await sae.readText("labels.json"), '{"features":{}}');
  assert.deepEqual([...found.offers.keys()], ["chosen://all"]);
});

Deno.test("SAEs without settings are a file each; what may belong to several, or to none, is told", async () => {
  const two = await findLocalFiles(files({
    "saes/a.npz": "",
    "saes/b.pt": "",
    "saes/deeper/labels.json": "{}",
    "saes/deeper/tokenizer.json": "{}",
  }));
  assert.deepEqual(namesOf(two.saes), ["chosen://saes/a.npz", "chosen://saes/b.pt"]);
  assert.deepEqual(two.ignored, [
    "deeper/tokenizer.json: there is no model that it belongs to: drop it with its model's directory",
  ]);
  const none = await findLocalFiles(files({ "labels.json": "{}", "config.json": "{}" }));
  assert.deepEqual([none.models, none.saes, none.offers.size], [[], [], 0]);
  assert.equal(none.ignored.length, 2);
  const [broken] = (await findLocalFiles(files({ "m/config.json": "{", "m/pytorch_model.bin": "" }))).models;
  assert.equal(broken.description, "from your files");
  const both = await findLocalFiles(files({
    "x/m/config.json": "{}",
    "x/m/model.safetensors": "",
    "x/n/config.json": "{}",
    "x/n/model.safetensors": "",
    "x/tokenizer.json": "{}",
  }));
  assert.deepEqual(both.ignored, ["tokenizer.json: it may belong to several: drop it with one of them"]);
});
