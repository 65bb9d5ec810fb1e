import assert from "node:assert/strict";
import { type Architecture, NO_PROCESSING } from "../../models/family.ts";
import { FAMILIES, openArchitecture } from "../../models/mod.ts";
import { readConfig } from "./open.ts";

type Json = Record<string, unknown>;

/** All that an architecture says of a configuration. */
function read({ config, masks, rotary, unembedding, logitSoftCap, blockKind }: Architecture): unknown {
  const kinds = Array.from({ length: config.nLayers }, (_, layer) => blockKind(layer));
  return { config, masks, rotary, unembedding, logitSoftCap, kinds };
}

/** The same settings as transformers 4 and as transformers 5 write them. */
const LAYOUTS: Readonly<Record<string, readonly [model: string, four: Json, five: Json]>> = {
  llama: ["llama", { rope_theta: 7e4 }, { rope_parameters: { rope_type: "default", rope_theta: 7e4 } }],
  "llama 3.1": [
    "llama31",
    {},
    {
      rope_theta: undefined,
      rope_scaling: undefined,
      rope_parameters: {
        rope_type: "llama3",
        rope_theta: 500,
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 32,
      },
    },
  ],
  "linear scaling": [
    "llama",
    { rope_theta: 9, rope_scaling: { type: "linear", factor: 2 } },
    { rope_parameters: { rope_type: "linear", factor: 2, rope_theta: 9 } },
  ],
  gpt_neox: [
    "neox",
    { rotary_emb_base: 500, rotary_pct: 0.5 },
    {
      rotary_emb_base: undefined,
      rotary_pct: undefined,
      rope_parameters: { rope_type: "default", rope_theta: 500, partial_rotary_factor: 0.5 },
    },
  ],
  gemma3: [
    "gemma3",
    { rope_theta: 1e6, rope_local_base_freq: 1e4, rope_scaling: { rope_type: "linear", factor: 8 } },
    {
      rope_theta: undefined,
      rope_local_base_freq: undefined,
      rope_scaling: undefined,
      rope_parameters: {
        full_attention: { rope_type: "linear", factor: 8, rope_theta: 1e6 },
        sliding_attention: { rope_type: "default", rope_theta: 1e4 },
      },
    },
  ],
  olmo3: [
    "olmo3",
    {
      rope_parameters: undefined,
      rope_theta: 4e5,
      rope_scaling: { rope_type: "yarn", factor: 2, attention_factor: 1.1, original_max_position_embeddings: 32 },
    },
    {
      rope_parameters: {
        full_attention: {
          rope_type: "yarn",
          factor: 2,
          attention_factor: 1.1,
          original_max_position_embeddings: 32,
          rope_theta: 4e5,
        },
        sliding_attention: { rope_type: "default", rope_theta: 4e5 },
      },
    },
  ],
  phi3: [
    "phi3",
    {
      rope_parameters: undefined,
      rope_theta: 1e4,
      original_max_position_embeddings: 16,
      rope_scaling: { type: "su", short_factor: [1, 1, 1, 1], long_factor: [1, 2, 3, 4] },
    },
    {
      rope_parameters: {
        rope_type: "longrope",
        rope_theta: 1e4,
        partial_rotary_factor: 1,
        original_max_position_embeddings: 16,
        short_factor: [1, 1, 1, 1],
        long_factor: [1, 2, 3, 4],
      },
    },
  ],
  "gemma3's layers": [
    "gemma3",
    { layer_types: undefined, sliding_window_pattern: 2 },
    { layer_types: ["sliding_attention", "full_attention", "sliding_attention"] },
  ],
  "gemma2's layers": [
    "gemma2",
    { layer_types: undefined },
    { layer_types: ["sliding_attention", "full_attention", "sliding_attention"] },
  ],
  "qwen2's layers": [
    "qwen2",
    { layer_types: undefined, use_sliding_window: true, sliding_window: 9, max_window_layers: 1 },
    { layer_types: ["full_attention", "sliding_attention"], use_sliding_window: true, sliding_window: 9 },
  ],
  "gpt_neo's layers": [
    "gpt-neo",
    { attention_layers: undefined, attention_types: [[["local"], 1], [["global"], 1]] },
    { attention_layers: ["local", "global"] },
  ],
};

for (const [name, [model, four, five]] of Object.entries(LAYOUTS)) {
  Deno.test(`settings in both layouts: ${name}`, async () => {
    const base = { ...readConfig(model), ...(five.rope_parameters ? { rope_parameters: undefined } : {}) };
    const open = async (changes: Json): Promise<unknown> => read(await openArchitecture({ ...base, ...changes }));
    assert.deepEqual(await open(four), await open(five));
    assert.notDeepEqual(await open(four), read(await openArchitecture({ ...readConfig(model), vocab_size: 9 })));
  });
}

Deno.test("Gemma 3 within a multimodal configuration, which leaves out what is as in the 4b model", async () => {
  const architecture = await openArchitecture({
    model_type: "gemma3",
    architectures: ["Gemma3ForConditionalGeneration"],
    text_config: {
      hidden_size: 2560,
      intermediate_size: 10_240,
      model_type: "gemma3_text",
      num_hidden_layers: 34,
      rope_scaling: { factor: 8.0, rope_type: "linear" },
      sliding_window: 1024,
    },
    vision_config: { hidden_size: 1152, model_type: "siglip_vision_model" },
  });
  const { config, masks, rotary, unembedding, weightPrefixes } = architecture;
  assert.deepEqual({ ...config, rotary: undefined }, {
    nLayers: 34,
    dModel: 2560,
    nHeads: 8,
    nKeyValueHeads: 4,
    dHead: 256,
    dMlp: 10_240,
    dVocab: 262_208,
    nCtx: 131_072,
    eps: 1e-6,
    actFn: "gelu_new",
    queryPreAttnScalar: 256,
    scoreSoftCap: undefined,
    rotary: undefined,
  });
  assert.deepEqual(masks, { "mask:window": { window: 1024 }, "mask:causal": {} });
  assert.deepEqual(rotary, {
    "rotary:sliding_attention": { base: 1e4, dim: 256 },
    "rotary:full_attention": { base: 1e6, dim: 256, scaling: { type: "linear", factor: 8 } },
  });
  assert.deepEqual(
    Array.from({ length: 34 }, (_, i) => i).filter((i) => architecture.blockKind(i) === "full_attention"),
    [
      5,
      11,
      17,
      23,
      29,
    ],
  );
  const heads = ["lm_head.weight", "language_model.lm_head.weight"];
  assert.deepEqual(unembedding.map(({ name }) => name), [...heads, "embed_tokens.weight"]);
  assert.ok(weightPrefixes.includes("language_model.model.") && weightPrefixes.includes("model.language_model."));
});

Deno.test("what the families say for themselves", async () => {
  const of = async (model: string, changes: Json = {}): Promise<Architecture> =>
    await openArchitecture({ ...readConfig(model), ...changes });
  const tied = (architecture: Architecture): boolean =>
    architecture.unembedding.at(-1)!.name === architecture.embedding.tokens.name;
  assert.equal((await of("llama", { head_dim: undefined })).config.dHead, 8);
  assert.equal((await of("llama", { num_key_value_heads: null })).config.nKeyValueHeads, 4);
  assert.equal((await of("qwen3", { head_dim: undefined })).config.dHead, 128);
  assert.deepEqual(
    await Promise.all(["llama", "llama-tied", "neox", "gemma2", "gpt-neo"].map(async (name) => tied(await of(name)))),
    [false, true, false, true, true],
  );
  assert.equal(tied(await of("llama", { tie_word_embeddings: undefined })), false);
  assert.equal(tied(await of("gemma3", { tie_word_embeddings: undefined })), true);
  assert.deepEqual((await of("neox")).unembedding.map(({ name }) => name), ["lm_head.weight", "embed_out.weight"]);
  assert.deepEqual(
    [(await of("gemma2")).logitSoftCap, (await of("gemma2")).defaultProcessing.centerUnembed],
    [8, false],
  );
  const hooks = async (model: string, changes?: Json): Promise<string[]> =>
    Object.keys((await of(model, changes)).block(0, { processing: NO_PROCESSING, selectRows: false }).hooks);
  assert.ok(!(await hooks("neox")).includes("hook_resid_mid"));
  assert.ok((await hooks("neox", { use_parallel_residual: false })).includes("hook_resid_mid"));
});

Deno.test("an unsupported family is named, with what is supported", async () => {
  for (const type of ["t5", undefined, null, 7, "__proto__", "constructor"]) {
    await assert.rejects(openArchitecture({ model_type: type }), (error: Error) => {
      assert.ok(error instanceof RangeError);
      assert.match(error.message, new RegExp(`Models of type ${JSON.stringify(type)} are not supported`));
      for (const family of Object.keys(FAMILIES)) assert.match(error.message, new RegExp(`\\b${family}\\b`));
      return true;
    });
  }
});

// [model, what is changed, the error, what its message says]
const REFUSED: readonly [string, Json, typeof RangeError | typeof TypeError, RegExp][] = [
  ["llama", { hidden_size: undefined }, TypeError, /no "hidden_size"/],
  ["llama", { hidden_size: 2 ** 40 }, TypeError, /"hidden_size" is 1099511627776/],
  ["llama", { hidden_size: "32" }, TypeError, /"hidden_size" is "32"/],
  ["llama", { hidden_size: 1.5 }, TypeError, /"hidden_size" is 1.5/],
  ["llama", { num_hidden_layers: 2_000_000_000 }, RangeError, /2000000000 layers/],
  ["gpt2", { n_layer: 2_000_000_000 }, RangeError, /2000000000 layers/],
  ["llama", { num_hidden_layers: 0 }, TypeError, /"num_hidden_layers" is 0/],
  ["llama", { num_key_value_heads: 3 }, RangeError, /3 key and value heads do not divide 4 heads/],
  ["llama", { head_dim: undefined, num_attention_heads: 6 }, RangeError, /do not divide/],
  ["llama", { head_dim: 7 }, RangeError, /1 of a head of 7/],
  ["llama", { attention_bias: true }, RangeError, /"attention_bias": true is not supported for "llama"/],
  ["llama", { mlp_bias: true }, RangeError, /"mlp_bias"/],
  ["llama", { hidden_act: "tanh" }, RangeError, /"hidden_act" is "tanh"; supported are/],
  ["llama", { hidden_act: "__proto__" }, RangeError, /"hidden_act" is "__proto__"/],
  ["llama", { rms_norm_eps: -1 }, TypeError, /"rms_norm_eps" is -1/],
  [
    "llama",
    { rope_parameters: { rope_type: "proportional", rope_theta: 1e4 } },
    RangeError,
    /"proportional" are not supported; supported are default, dynamic, linear, llama3, yarn, longrope/,
  ],
  ["llama", { rope_scaling: { type: "su" } }, RangeError, /"su" are not supported/],
  ["llama", { rope_scaling: { type: "yarn", factor: 0 } }, TypeError, /"factor" is 0/],
  [
    "llama",
    { rope_scaling: { rope_type: "longrope" } },
    TypeError,
    /"short_factor" is not a list of 4 positive numbers/,
  ],
  [
    "phi3",
    { rope_scaling: { type: "su", short_factor: [1, 1, 1, 1], long_factor: [1, 1, 1, -1] } },
    TypeError,
    /"long_factor" is not a list of 4 positive/,
  ],
  ["llama", { rope_scaling: { type: "linear" } }, TypeError, /no "factor"/],
  ["llama", { rope_scaling: { type: "linear", factor: 0 } }, TypeError, /"factor" is 0/],
  ["llama", { rope_scaling: [] }, TypeError, /"rope_scaling" is \[\], not an object/],
  [
    "llama31",
    { rope_scaling: { rope_type: "llama3", factor: 8, low_freq_factor: 4, high_freq_factor: 4 } },
    RangeError,
    /not above/,
  ],
  ["llama", { rope_parameters: { rope_theta: "big" } }, TypeError, /"rope_theta" is "big"/],
  ["neox", { rotary_pct: 2 }, RangeError, /2 of a head of 8/],
  ["neox", { rotary_pct: 0.4 }, RangeError, /3 dimensions/],
  ["neox", { attention_bias: false }, RangeError, /"attention_bias": false is not supported/],
  ["neox", { use_parallel_residual: "no" }, TypeError, /"use_parallel_residual" is "no"/],
  ["mistral", { sliding_window: 0 }, TypeError, /"sliding_window" is 0/],
  [
    "mistral",
    { layer_types: ["full_attention", "sliding_attention"] },
    RangeError,
    /layers other than sliding_attention/,
  ],
  ["qwen2", { layer_types: ["full_attention", "sliding_attention"] }, RangeError, /no sliding_window/],
  ["qwen2", { layer_types: ["full_attention"] }, TypeError, /a list of 2 types/],
  [
    "qwen2",
    { layer_types: ["full_attention", "linear_attention"] },
    RangeError,
    /"linear_attention" are not supported/,
  ],
  ["qwen2", { max_window_layers: "all", use_sliding_window: true }, TypeError, /"max_window_layers"/],
  ["qwen3", { attention_bias: true }, RangeError, /"attention_bias"/],
  ["gemma2", { query_pre_attn_scalar: 0 }, TypeError, /"query_pre_attn_scalar" is 0/],
  ["gemma2", { final_logit_softcapping: -30 }, TypeError, /"final_logit_softcapping" is -30/],
  ["gemma2", { sliding_window: null }, RangeError, /no sliding_window/],
  ["gemma3", { use_bidirectional_attention: true }, RangeError, /"use_bidirectional_attention": true/],
  ["gemma3", { layer_types: undefined, sliding_window_pattern: 0 }, TypeError, /"sliding_window_pattern" is 0/],
  ["gemma3", { model_type: "gemma3", text_config: "none" }, TypeError, /"text_config" is "none", not an object/],
  ["gpt-neo", { attention_layers: ["global"] }, TypeError, /does not give 2 layers a type/],
  ["gpt-neo", { attention_layers: ["global", "strided"] }, RangeError, /"strided" is not supported/],
  ["gpt-neo", { attention_layers: null, attention_types: [[["global"], 2e9]] }, TypeError, /does not give 2 layers/],
  ["gpt-neo", { attention_layers: null, attention_types: [[[], 2e9]] }, TypeError, /does not give 2 layers/],
  ["gpt-neo", { attention_layers: null, attention_types: [[["global", "local"], -1]] }, TypeError, /does not give/],
];

for (const [model, changes, type, message] of REFUSED) {
  Deno.test(`refused: ${model} with ${JSON.stringify(changes)}`, async () => {
    await assert.rejects(openArchitecture({ ...readConfig(model), ...changes }), (error: Error) => {
      assert.ok(error instanceof type, `${error.name}: ${error.message}`);
      assert.match(error.message, message);
      assert.ok(!error.message.includes("\n"));
      return true;
    });
  });
}
