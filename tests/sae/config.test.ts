import assert from "node:assert/strict";
import { readSaeConfig, readWholeConfig } from "../../lib/sae/read_config.ts";

const V6 = {
  architecture: "topk",
  d_in: 8,
  d_sae: 32,
  k: 4,
  rescale_acts_by_decoder_norm: true,
  apply_b_dec_to_input: false,
  normalize_activations: "layer_norm",
  reshape_activations: "none",
  metadata: {
    hook_name: "blocks.3.hook_mlp_out",
    hook_name_out: null,
    hook_head_index: null,
    model_name: "gpt2",
    prepend_bos: false,
    context_size: 64,
    neuronpedia_id: "gpt2/3-mlp",
    model_from_pretrained_kwargs: {},
    exclude_special_tokens: [0, 5],
  },
};

const TRANSCODER = {
  architecture: "transcoder",
  d_in: 8,
  d_out: 6,
  d_sae: 32,
  metadata: { hook_name: "blocks.0.ln2.hook_normalized", hook_name_out: "blocks.0.hook_mlp_out" },
};

/** A copy with one setting changed, at the top or (`metadata.x`) below. */
function changed(base: Record<string, unknown>, key: string, value: unknown): Record<string, unknown> {
  if (!key.startsWith("metadata.")) return { ...base, [key]: value };
  return { ...base, metadata: { ...base.metadata as Record<string, unknown>, [key.slice(9)]: value } };
}

Deno.test("version 6: every setting", () => {
  assert.deepEqual(readSaeConfig(V6), {
    architecture: "topk",
    dIn: 8,
    dOut: 8,
    dSae: 32,
    applyBDecToInput: false,
    normalizeActivations: "layer_norm",
    normScalingFactor: undefined,
    activationNormalizationFactor: undefined,
    reshapeActivations: "none",
    k: 4,
    rescaleActsByDecoderNorm: true,
    hookIn: "blocks.3.hook_mlp_out",
    hookOut: "blocks.3.hook_mlp_out",
    hookHeadIndex: undefined,
    modelName: "gpt2",
    prependBos: false,
    contextSize: 64,
    neuronpediaId: "gpt2/3-mlp",
    modelFromPretrainedKwargs: {},
    excludeSpecialTokens: [0, 5],
  });
});

Deno.test("before version 6: SAELens's defaults and renamed keys", () => {
  const config = readSaeConfig({
    d_in: 8,
    d_sae: 32,
    hook_point: "blocks.1.attn.hook_z",
    hook_point_head_index: 2,
    normalize_activations: true,
    activation_fn_str: "topk",
    activation_fn_kwargs: { k: 7 },
  });
  assert.equal(config.architecture, "topk");
  assert.equal(config.k, 7);
  assert.equal(config.hookIn, "blocks.1.attn.hook_z");
  assert.equal(config.hookHeadIndex, 2);
  assert.equal(config.reshapeActivations, "hook_z");
  assert.equal(config.normalizeActivations, "expected_average_only_in");
  assert.equal(config.applyBDecToInput, true);
  assert.equal(config.prependBos, true);
  assert.equal(config.modelFromPretrainedKwargs, undefined);
  const of = (metadata: Record<string, unknown>): unknown =>
    readSaeConfig({ d_in: 4, d_sae: 8, metadata: { hook_name: "x", ...metadata } }).modelFromPretrainedKwargs;
  assert.deepEqual(of({ model_class_name: "AutoModelForCausalLM" }), {}, "nobody processes these");
  assert.deepEqual(of({ model_class_name: "HookedTransformer" }), undefined);
  const plain = readSaeConfig({ d_in: 8, d_sae: 32, hook_name: "blocks.0.hook_resid_pre", activation_fn: "relu" });
  assert.equal(plain.architecture, "standard");
  assert.equal(plain.normalizeActivations, "none");
  assert.equal(readSaeConfig({ d_in: 8, d_sae: 32, hook_point: "x", normalize_activations: false }).k, undefined);
});

Deno.test("a transcoder reads and writes, and does not subtract its b_dec", () => {
  const config = readSaeConfig(TRANSCODER);
  assert.deepEqual([config.hookIn, config.hookOut], ["blocks.0.ln2.hook_normalized", "blocks.0.hook_mlp_out"]);
  assert.deepEqual([config.dIn, config.dOut, config.applyBDecToInput], [8, 6, false]);
  assert.throws(() => readSaeConfig({ ...TRANSCODER, apply_b_dec_to_input: true }), /apply_b_dec_to_input/);
  assert.throws(() => readSaeConfig({ ...TRANSCODER, d_out: undefined }), /d_out/);
  assert.throws(() => readSaeConfig(changed(TRANSCODER, "metadata.hook_name_out", null)), /writes/);
  assert.throws(() => readSaeConfig(changed(TRANSCODER, "metadata.hook_head_index", 1)), /transcoders/);
});

Deno.test("the user's hooks come before the file's", () => {
  const hooks = (json: unknown, overrides: Parameters<typeof readSaeConfig>[1]): string[] => {
    const { hookIn, hookOut } = readSaeConfig(json, overrides);
    return [hookIn, hookOut];
  };
  assert.deepEqual(hooks(V6, { hook: "a" }), ["a", "a"]);
  assert.deepEqual(hooks(TRANSCODER, { hook: "a" }), ["blocks.0.ln2.hook_normalized", "a"]);
  assert.deepEqual(hooks(TRANSCODER, { hookIn: "a" }), ["a", "blocks.0.hook_mlp_out"]);
  assert.deepEqual(hooks({ d_in: 8, d_sae: 9, metadata: {} }, { hook: "a" }), ["a", "a"]);
  assert.throws(() => readSaeConfig(V6, { hookIn: "a" }), RangeError);
  assert.throws(() => readSaeConfig({ d_in: 8, d_sae: 9, metadata: {} }), /names no hook/);
});

Deno.test("a block of Hugging Face's models stands for the stream after it; other modules stay what they are", () => {
  const at = (hook_name: string, hook?: string): string =>
    readSaeConfig({ d_in: 4, d_sae: 8, metadata: { hook_name } }, { hook }).hookOut;
  const blocks = ["transformer.h.3", "model.layers.3", "gpt_neox.layers.3", "model.language_model.layers.3", "h.3"];
  for (const name of blocks) assert.equal(at(name), "blocks.3.hook_resid_post", name);
  assert.equal(at("x", "model.layers.12"), "blocks.12.hook_resid_post");
  const others = ["model.layers.3.mlp", "vision_tower.encoder.layers.3", "blocks.3.hook_resid_pre", "layers.x"];
  for (const name of others) assert.equal(at(name), name);
});

Deno.test("a factor is for expected_average_only_in alone", () => {
  const averaged = { ...V6, normalize_activations: "expected_average_only_in" };
  assert.equal(readSaeConfig(averaged, { normScalingFactor: 1.5 }).normScalingFactor, 1.5);
  assert.throws(() => readSaeConfig(V6, { normScalingFactor: 1.5 }), /layer_norm/);
  for (const factor of [0, -1, NaN, Infinity]) {
    assert.throws(() => readSaeConfig(averaged, { normScalingFactor: factor }), RangeError);
  }
  const scalar = { ...V6, normalize_activations: "constant_scalar_rescale", activation_normalization_factor: 2 };
  assert.equal(readSaeConfig(scalar).activationNormalizationFactor, 2);
});

Deno.test("when the search of matching pursuit ends, with SAELens's defaults", () => {
  const settings = {
    architecture: "matching_pursuit",
    d_in: 8,
    d_sae: 9,
    metadata: { hook_name: "blocks.0.hook_resid_pre" },
  };
  assert.deepEqual(readSaeConfig(settings).pursuit, {
    residualThreshold: 0.01,
    maxIterations: 8,
    stopOnDuplicateSupport: true,
  });
  const others = { residual_threshold: 2, max_iterations: 3, stop_on_duplicate_support: false };
  assert.deepEqual(readSaeConfig({ ...settings, ...others }).pursuit, {
    residualThreshold: 2,
    maxIterations: 3,
    stopOnDuplicateSupport: false,
  });
  assert.throws(
    () => readSaeConfig({ ...settings, residual_threshold: "1" }),
    /"residual_threshold" is "1", not a number/,
  );
  for (const value of [0, 65_537, 1_000_000_001]) {
    const refused = new RegExp(`"max_iterations" is ${value}, not a whole number from 1 to 65536$`);
    assert.throws(() => readSaeConfig({ ...settings, max_iterations: value }), refused);
  }
  const averaged = { ...settings, normalize_activations: "expected_average_only_in" };
  // As SAELens folds the factor: the threshold is in units of what is not scaled.
  assert.equal(readSaeConfig({ ...averaged, ...others }, { normScalingFactor: 4 }).pursuit!.residualThreshold, 0.5);
  const listed = { configOverrides: {}, normScalingFactor: 4 };
  assert.equal(readSaeConfig({ ...averaged, ...others }, { listed }).pursuit!.residualThreshold, 0.5);
});

Deno.test("the attention of temporal SAEs, with SAELens's defaults", () => {
  const settings = {
    architecture: "temporal",
    d_in: 8,
    d_sae: 1024,
    metadata: { hook_name: "blocks.0.hook_resid_pre" },
  };
  const config = readSaeConfig(settings);
  assert.deepEqual(config.temporal, { nHeads: 8, nAttnLayers: 1, bottleneckFactor: 64, tiedWeights: true });
  assert.equal(config.k, undefined);
  assert.equal(readSaeConfig({ ...settings, kval_topk: 5 }).k, 5);
  assert.throws(
    () => readSaeConfig({ ...settings, n_attn_layers: 1_000_000_001 }),
    /"n_attn_layers" is 1000000001, not a whole number from 1 to 1024$/,
  );
  assert.equal(readSaeConfig({ ...settings, kval_topk: 5, sae_diff_type: "relu" }).k, undefined);
  assert.throws(() => readSaeConfig({ ...settings, n_heads: 3 }), /1024 features cannot be divided by n_heads 3/);
  assert.throws(
    () => readSaeConfig({ ...settings, kval_topk: 2000 }),
    /"kval_topk" is 2000, more than the 1024 features/,
  );
  assert.throws(() => readSaeConfig({ ...settings, sae_diff_type: "gated" }), /supported are relu, topk/);
});

Deno.test("what is not supported says so", () => {
  for (const name of ["batchtopk", "matryoshka_batchtopk", "crosscoder"]) {
    assert.throws(
      () => readSaeConfig({ ...V6, architecture: name }),
      new RegExp(`"${name}" is not supported.*standard`),
    );
  }
  for (const name of ["__proto__", "constructor", "toString"]) {
    assert.throws(() => readSaeConfig({ ...V6, architecture: name }), RangeError);
  }
  assert.throws(() => readSaeConfig({ ...V6, normalize_activations: "covariance_whitening" }), /supported are/);
  assert.throws(() => readSaeConfig({ ...V6, reshape_activations: "hook_q" }), /supported are none, hook_z/);
});

Deno.test("hostile values end in a clear error that names the setting", () => {
  for (const json of [null, undefined, 3, "x", [], [V6]]) assert.throws(() => readSaeConfig(json), SyntaxError);
  const wrong: Record<string, unknown[]> = {
    d_in: [undefined, null, 0, -1, 1.5, "8", [8], NaN, Infinity, 2 ** 31, 1e300, {}],
    d_sae: [undefined, null, 0, -3, 0.5, "32", true, 2 ** 53],
    k: [undefined, null, 0, -1, 2.5, "4", 33, 2 ** 40],
    architecture: [4, {}, ["topk"]],
    apply_b_dec_to_input: ["false", 0, {}],
    rescale_acts_by_decoder_norm: ["true", 1],
    normalize_activations: ["LayerNorm", 7, {}, true],
    activation_normalization_factor: ["2", 0, -1, NaN, {}],
    metadata: [null, 3, "x"],
    "metadata.hook_name": [7, {}, ["a"]],
    "metadata.hook_head_index": ["1", -1, 0.5, NaN, {}],
    "metadata.prepend_bos": ["true", 1],
    "metadata.model_name": [7],
    "metadata.neuronpedia_id": [{}],
    "metadata.model_from_pretrained_kwargs": ["x", 3, []],
    "metadata.exclude_special_tokens": ["true", 5, {}, [1.5], ["0"]],
  };
  for (const [key, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(
        () => readSaeConfig(changed(V6, key, value)),
        (error) => {
          assert.ok(error instanceof TypeError || error instanceof RangeError, `${key}: ${value}: ${error}`);
          assert.ok(
            error.message.includes(key.replace("metadata.", "").replace("architecture", "rchitecture")),
            error.message,
          );
          return true;
        },
        `${key} = ${value}`,
      );
    }
  }
});

Deno.test("how the model was loaded: flags of its form are read, the rest is named as unread", () => {
  const kwargs = { fold_ln: true, center_unembed: false, n_ctx: 4, checkpoint_value: 1000 };
  const old = { d_in: 8, d_sae: 32, hook_name: "blocks.0.hook_resid_pre", model_from_pretrained_kwargs: kwargs };
  for (const json of [old, changed(V6, "metadata.model_from_pretrained_kwargs", kwargs)]) {
    const { config, unread } = readWholeConfig(json);
    assert.deepEqual(config.modelFromPretrainedKwargs, { fold_ln: true, center_unembed: false });
    const where = json === old ? "" : "metadata.";
    const rest = ["n_ctx", "checkpoint_value"].map((name) => `${where}model_from_pretrained_kwargs.${name}`);
    assert.deepEqual(unread.filter((name) => name.includes("kwargs")), rest);
  }
  for (const value of ["true", 1, {}]) {
    const wrong = changed(V6, "metadata.model_from_pretrained_kwargs", { fold_ln: value });
    assert.throws(() => readSaeConfig(wrong), /"fold_ln" is .*, not true or false/);
  }
});

Deno.test("keys of the language are no settings", () => {
  const json = JSON.parse('{"__proto__": {"d_in": 8, "d_sae": 9}, "metadata": {"hook_name": "a"}}');
  assert.throws(() => readSaeConfig(json), /d_in/);
  const old = JSON.parse(
    '{"d_in": 8, "d_sae": 9, "hook_point": "a", "activation_fn_kwargs": null, "__proto__": {"k": 3}}',
  );
  assert.equal(readSaeConfig(old).architecture, "standard");
  assert.equal(({} as Record<string, unknown>).k, undefined);
});
