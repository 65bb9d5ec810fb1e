import assert from "node:assert/strict";
import { describeModel, findModel, indexModels, searchModels } from "../../lib/registry/models.ts";
import { FAMILIES } from "../../models/mod.ts";

Deno.test("findModel: TransformerLens's and Hugging Face's names, in any case", async () => {
  const cases: [name: string, repo: string, family: string][] = [
    ["gpt2", "gpt2", "gpt2"],
    ["gpt2-small", "gpt2", "gpt2"],
    ["openai-community/gpt2", "openai-community/gpt2", "gpt2"],
    ["distilbert/distilgpt2", "distilbert/distilgpt2", "gpt2"],
    ["EleutherAI/pythia-70m-deduped", "EleutherAI/pythia-70m-deduped", "gpt_neox"],
    ["pythia-70m-deduped", "EleutherAI/pythia-70m-deduped", "gpt_neox"],
    ["pythia-19m-deduped", "EleutherAI/pythia-70m-deduped", "gpt_neox"],
    ["google/gemma-2-2b", "google/gemma-2-2b", "gemma2"],
    ["gemma-2-2b", "google/gemma-2-2b", "gemma2"],
    ["Gemma-3-1B-pt", "google/gemma-3-1b-pt", "gemma3_text"],
    ["gemma-3-4b-it", "google/gemma-3-4b-it", "gemma3"],
    ["llama-3.1-8b", "meta-llama/Llama-3.1-8B", "llama"],
    ["meta-llama/Meta-Llama-3.1-8B", "meta-llama/Meta-Llama-3.1-8B", "llama"],
    ["DeepSeek-R1-Distill-Llama-8B", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "llama"],
    ["qwen3-4b", "Qwen/Qwen3-4B", "qwen3"],
    ["mistral-7b", "mistralai/Mistral-7B-v0.1", "mistral"],
    ["tiny-stories-33M", "roneneldan/TinyStories-33M", "gpt_neo"],
    ["hf:google/gemma-2-2b", "google/gemma-2-2b", "gemma2"],
  ];
  for (const [name, repo, family] of cases) {
    const model = await findModel(name);
    assert.deepEqual([model.repo, model.family], [repo, family], name);
    assert.equal(model.supported, Object.hasOwn(FAMILIES, family), name);
  }
});

Deno.test("findModel: repositories that are not listed pass through", async () => {
  for (const name of ["someone/some-model", "hf:someone/some-model"]) {
    const { repo, family, supported } = await findModel(name);
    assert.deepEqual([repo, family, supported], ["someone/some-model", undefined, true]);
  }
  const inDirectory = await findModel("hf:someone/models@v1:small");
  assert.equal(describeModel("m", inDirectory), "m is someone/models@v1:small");
  const { name, revision, family } = await findModel("hf:google/gemma-2-2b@v1");
  assert.deepEqual([name, revision, family], ["google/gemma-2-2b", "v1", "gemma2"]);
});

Deno.test("findModel: unknown names tell the nearest ones", async () => {
  await assert.rejects(findModel("gema-2-2b"), { name: "RangeError", message: /the nearest are gemma-2-2b,/ });
  for (const name of ["", "a/b/c", "../x", "hf:", "__proto__"]) await assert.rejects(findModel(name), RangeError, name);
});

Deno.test("models that cannot be run say why", async () => {
  const why = async (name: string): Promise<string | undefined> => (await findModel(name)).whyNot;
  assert.equal(await why("opt-125m"), "models of type opt are not supported");
  assert.equal(await why("solu-1l"), "it is not in Hugging Face's format");
  assert.equal(await why("llama-7b"), "it is not on the Hugging Face hub");
  assert.equal((await findModel("llama-7b")).repo, undefined);
  assert.equal(await why("gpt2"), undefined);
});

Deno.test("no name stands for two models", async () => {
  const { models, find } = await indexModels();
  for (const model of models) for (const name of [model.name, ...model.aliases]) assert.equal(find(name), model, name);
});

Deno.test("searchModels and describeModel", async () => {
  const found = await searchModels("Pythia 70m");
  assert.deepEqual(found.map(({ name }) => name.slice("EleutherAI/".length)), [
    "pythia-70m",
    "pythia-70m-deduped",
    "pythia-70m-deduped-v0",
    "pythia-70m-v0",
  ]);
  assert.ok((await searchModels()).length > 200);
  assert.equal(describeModel("pythia-70m", found[0]), "pythia-70m is EleutherAI/pythia-70m (gpt_neox)");
});
