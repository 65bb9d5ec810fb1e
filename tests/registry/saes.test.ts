import assert from "node:assert/strict";
import { readSaeData } from "../../lib/registry/data.ts";
import { indexModels } from "../../lib/registry/models.ts";
import { countSaes, describeSae, findSae, searchSaes } from "../../lib/registry/saes.ts";
import { LOADERS } from "../../lib/registry/loaders.ts";

/** JSON with sorted keys, as make.py digests SAELens's directory. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(",")}}`;
}

Deno.test("the list has every field of SAELens's directory", async () => {
  const { releases, sha256, saes } = await readSaeData();
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(canonical(releases)));
  assert.equal(new Uint8Array(digest).toHex(), sha256);
  assert.equal(Object.values(releases).reduce((sum, release) => sum + release.saes.length, 0), saes);
  assert.equal(Object.keys(releases).length, 170);
  assert.equal(saes, 13_857);
});

Deno.test("findSae: a release and an id", async () => {
  assert.deepEqual(await findSae("gpt2-small-res-jb/blocks.10.hook_resid_pre"), {
    name: "gpt2-small-res-jb/blocks.10.hook_resid_pre",
    repo: "jbloom/GPT2-Small-SAEs-Reformatted",
    path: "blocks.10.hook_resid_pre",
    loader: "sae_lens",
    model: "gpt2-small",
    hook: "blocks.10.hook_resid_pre",
    neuronpediaId: "gpt2-small/10-res-jb",
    normScalingFactor: undefined,
    configOverrides: { model_from_pretrained_kwargs: { center_writing_weights: true } },
    expectedL0: 52,
    expectedVarianceExplained: 0.77,
    supported: true,
  });
});

Deno.test("findSae: an id with slashes, factors, integer paths", async () => {
  const canonicalSae = await findSae("gemma-scope-2b-pt-res-canonical/layer_0/width_16k/canonical");
  assert.equal(canonicalSae.path, "layer_0/width_16k/average_l0_105");
  assert.equal((await findSae("gpt2-small-mlp-tm/blocks.0.hook_mlp_out")).normScalingFactor, 1.049317316132615);
  assert.equal(typeof (await findSae("llama_scope_lxr_8x/l0r_8x")).normScalingFactor, "number");
  assert.deepEqual((await findSae("mistral-7b-res-wg/blocks.8.hook_resid_pre")).configOverrides, {
    normalize_activations: "constant_norm_rescale",
  });
  const crossLayer = await findSae("mntss-gemma-2-2b-2.5m-clt-as-per-layer/layer_3");
  assert.equal(crossLayer.path, "3");
  assert.equal(crossLayer.supported, false);
  assert.match(crossLayer.whyNot!, /one layer of a cross-layer transcoder.* hf:mntss\/clt-gemma-2-2b-2\.5M/);
  assert.equal((await findSae("hf:mntss/clt-gemma-2-2b-2.5M")).supported, true);
});

Deno.test("findSae: Neuronpedia ids", async () => {
  const { name } = await findSae("np:gpt2-small/10-res-jb");
  assert.equal(name, "gpt2-small-res-jb/blocks.10.hook_resid_pre");
  await assert.rejects(findSae("gpt2-small/10-res-jb"), /Neuronpedia id, write np:gpt2-small\/10-res-jb/);
});

Deno.test("findSae: what is on the hub passes through", async () => {
  const own = await findSae("hf:me/my.saes:runs/a:v1");
  assert.deepEqual([own.repo, own.path, own.loader, own.supported], ["me/my.saes", "runs/a:v1", "sae_lens", true]);
  assert.deepEqual([(await findSae("hf:me/saes")).path, (await findSae("hf:me/saes:a/")).path], ["", "a"]);
  assert.equal(describeSae(await findSae("hf:me/saes@v1:a")), "hf:me/saes@v1:a is me/saes@v1:a (sae_lens)");
  const listed = await findSae("hf:jbloom/GPT2-Small-SAEs-Reformatted:blocks.8.hook_resid_pre");
  assert.deepEqual(listed.configOverrides, {});
  assert.deepEqual(listed.listedAs, ["gpt2-small-res-jb/blocks.8.hook_resid_pre"]);
  assert.match(describeSae(listed), /listed as gpt2-small-res-jb\/\S+, whose settings are not used$/);
  const scope = await findSae("hf:google/gemma-scope-2b-pt-mlp:layer_9/width_16k/average_l0_1");
  assert.deepEqual([scope.loader, scope.model, scope.listedAs], ["gemma_2", "gemma-2-2b", []]);
  for (const name of ["hf:", "hf:a/b/c", "hf:../x:y", "hf:a/b:../c", "hf:a/b:/c"]) {
    await assert.rejects(findSae(name), RangeError, name);
  }
});

Deno.test("findSae: unknown names tell the nearest ones", async () => {
  const cases: [string, RegExp][] = [
    ["gpt2-small-resjb/blocks.8.hook_resid_pre", /nearest releases are gpt2-small-res-jb,/],
    ["gpt2-small-res-jb", /release of 13 SAEs: name one, as in gpt2-small-res-jb\/blocks\.0\.hook_resid_pre/],
    ["gpt2-small-res-jb/blocks.9.hook_resid", /has no SAE "blocks.9.hook_resid": the nearest are \S+9.hook_resid_pre/],
    ["np:gpt2-small/10-resjb", /nearest are np:gpt2-small\/10-res-jb,/],
    ["__proto__/x", /Unknown SAE/],
    ["tiny-facts", /the nearest are tiny-facts\/blocks\.\S+, tiny-facts\/\S+, tiny-facts\/\S+;/],
    ["tiny-facts/blocks.3", /the nearest are tiny-facts\/blocks\.3\.hook_resid_pre,/],
    ["tiny-facts/blocks.3.hook_resid_pr", /the nearest are tiny-facts\/blocks\.3\.hook_resid_pre,/],
    ["blocks.3.hook_resid_pre", /the nearest are tiny-facts\/blocks\.3\.hook_resid_pre,/],
    ["tinyfacts/blocks.3.hook_resid_pre", /the nearest are tiny-facts\/blocks\.3\.hook_resid_pre,/],
    ["blocks.10.hook_resid_pre", /it is a part of a name, such as gpt2-small-res-jb\/blocks\.10\.hook_resid_pre/],
    ["gpt2-small-res-jb/blocks.10", /the nearest are gpt2-small-res-jb\/blocks\.10\.hook_resid_pre,/],
    ["np:gpt2-small/10-res", /nearest are np:gpt2-small\/10-res-jb,/],
    ["", /Unknown SAE ""/],
  ];
  for (const [name, message] of cases) {
    await assert.rejects(findSae(name), (error) => error instanceof RangeError && message.test(error.message), name);
  }
});

Deno.test("describeSae is one line", async () => {
  assert.equal(
    describeSae(await findSae("gpt2-small-res-jb/blocks.10.hook_resid_pre")),
    "gpt2-small-res-jb/blocks.10.hook_resid_pre is jbloom/GPT2-Small-SAEs-Reformatted:blocks.10.hook_resid_pre " +
      "(sae_lens, for gpt2-small, blocks.10.hook_resid_pre, np:gpt2-small/10-res-jb, " +
      'model_from_pretrained_kwargs {"center_writing_weights":true})',
  );
});

Deno.test("hooks as SAELens's loaders derive them", async () => {
  const cases: Record<string, [hook: string, hookIn?: string]> = {
    "gpt2-small-hook-z-kk/blocks.0.hook_z": ["blocks.0.attn.hook_z"],
    "gpt2-small-res-jb-feature-splitting/blocks.8.hook_resid_pre_768": ["blocks.8.hook_resid_pre"],
    "sae_bench_pythia70m_sweep_topk_ctx128_0730/blocks.3.hook_resid_post__trainer_0": ["blocks.3.hook_resid_post"],
    "llama-3.1-8b-instruct-andyrdt/resid_post_layer_3_trainer_1": ["blocks.3.hook_resid_post"],
    "llama_scope_lxa_8x/l16a_8x": ["blocks.16.hook_attn_out"],
    "gemma-scope-2b-pt-res/embedding/width_4k/average_l0_6": ["hook_embed"],
    "gemma-scope-2b-pt-att-canonical/layer_0/width_16k/canonical": ["blocks.0.attn.hook_z"],
    "gemma-scope-2-4b-pt-att/layer_17_width_16k_l0_big": ["blocks.17.attn.hook_z"],
    "gemma-scope-2-4b-pt-mlp/layer_17_width_16k_l0_big": ["blocks.17.hook_mlp_out"],
    "gemma-scope-2-4b-pt-res/layer_17_width_16k_l0_big": ["blocks.17.hook_resid_post"],
    "gemma-scope-2-4b-pt-transcoders/transcoder/layer_17_width_16k_l0_big": [
      "blocks.17.hook_mlp_out",
      "blocks.17.hook_mlp_in",
    ],
    "mwhanna-qwen3-4b-transcoders/layer_35": ["blocks.35.hook_mlp_out", "blocks.35.mlp.hook_in"],
    "qwen-scope-3-1.7b-base-w32k-l50/layer27": ["blocks.27.hook_resid_post"],
    "goodfire-llama-3.1-8b-instruct/layer_19": ["blocks.19.hook_resid_post"],
  };
  for (const [name, [hook, hookIn]] of Object.entries(cases)) {
    const found = await findSae(name);
    assert.deepEqual([found.hook, found.hookIn], [hook, hookIn], name);
  }
});

Deno.test("searchSaes: by model and by words", async () => {
  const aliases = ["gpt2", "gpt2-small", "openai-community/gpt2", "GPT2"];
  const found = await Promise.all(aliases.map((model) => searchSaes({ model, text: "RES-JB" })));
  for (const saes of found) assert.deepEqual(saes, found[0]);
  assert.equal(found[0].length, 21);
  assert.ok(
    (await searchSaes({ model: "gemma-2-9b-it" })).some(({ name }) => name.startsWith("gemma-scope-9b-it-res/")),
  );
  assert.equal((await searchSaes({ text: "layer_12/ canonical 2b-pt-mlp" })).length, 2);
  assert.equal((await searchSaes({ text: "jb" }))[0].name, "gpt2-small-res-jb/blocks.0.hook_resid_pre");
  assert.deepEqual(await searchSaes({ text: "no such words" }), []);
  assert.deepEqual(await searchSaes({ model: "opt-125m" }), []);
  await assert.rejects(searchSaes({ model: "gpt3" }), RangeError);
});

Deno.test("every listed SAE has a model, a loader and a hook that are known", async () => {
  const [all, index, counts] = await Promise.all([searchSaes(), indexModels(), countSaes()]);
  const loaders = new Map<string, string>();
  for (const { name, model, loader, hook, repo, supported } of all) {
    assert.ok(index.find(model!), name);
    assert.ok(Object.hasOwn(LOADERS, loader), name);
    assert.equal(supported, LOADERS[loader].format !== undefined && !LOADERS[loader].whole, name);
    assert.ok(hook !== undefined || loader === "mntss_clt_layer_transcoder", name);
    assert.equal(loaders.get(repo) ?? loader, loader, `${repo} has one format`);
    loaders.set(repo, loader);
  }
  assert.equal([...counts.values()].reduce((a, b) => a + b), all.length);
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
});
