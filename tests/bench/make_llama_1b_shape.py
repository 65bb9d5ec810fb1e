"""Writes a Llama-3.2-1B-shaped model in bfloat16 and a 16,384-feature SAE with fixed random weights, in the formats of the real ones.

    python make_llama_1b_shape.py OUT_DIR        (needs numpy; 2.7 GB on disk, about a minute)

OUT_DIR/llama-1b-shape/      config.json, model.safetensors (1.24 G bfloat16 parameters, tied unembedding); no tokenizer: give token ids
OUT_DIR/llama-1b-shape-sae/  cfg.json, sae_weights.safetensors (standard SAE at blocks.12.hook_resid_pre, float32)

The weights are noise, so the numbers mean nothing, but sizes, speed, memory and numerical agreement are those of the
real thing: about 50 of the 16,384 features fire at a position.
"""
import json, os, struct, sys
import numpy as np

D, LAYERS, HEADS, KV_HEADS, D_HEAD, D_MLP, VOCAB, D_SAE = 2048, 16, 32, 8, 64, 8192, 128256, 16384
BIAS = -10.0  # about the 99.7th percentile of the pre-activations


def bfloat16(t):
    """The upper half of each float32, rounded to nearest even."""
    bits = np.ascontiguousarray(t, dtype="<f4").view("<u4")
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def write_safetensors(path, dtype, tensors):
    """`tensors`: (name, shape, make) each, made one at a time so that memory stays small."""
    size, encode = {"BF16": (2, bfloat16), "F32": (4, lambda t: np.ascontiguousarray(t, dtype="<f4"))}[dtype]
    header, offset = {}, 0
    for name, shape, _ in tensors:
        end = offset + int(np.prod(shape)) * size
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for _, shape, make in tensors:
            f.write(encode(make(shape)).tobytes())


def main(out):
    rng = np.random.Generator(np.random.PCG64(20261123))
    normal = lambda std: lambda shape: rng.standard_normal(shape, dtype=np.float32) * np.float32(std)
    around_one = lambda shape: 1 + normal(0.1)(shape)
    kv = KV_HEADS * D_HEAD
    tensors = [("model.embed_tokens.weight", (VOCAB, D), normal(0.02))]
    for l in range(LAYERS):
        p = f"model.layers.{l}."
        tensors += [(p + "input_layernorm.weight", (D,), around_one),
                    (p + "mlp.down_proj.weight", (D, D_MLP), normal(0.02)),
                    (p + "mlp.gate_proj.weight", (D_MLP, D), normal(0.02)),
                    (p + "mlp.up_proj.weight", (D_MLP, D), normal(0.02)),
                    (p + "post_attention_layernorm.weight", (D,), around_one),
                    (p + "self_attn.k_proj.weight", (kv, D), normal(0.02)),
                    (p + "self_attn.o_proj.weight", (D, D), normal(0.02)),
                    (p + "self_attn.q_proj.weight", (D, D), normal(0.02)),
                    (p + "self_attn.v_proj.weight", (kv, D), normal(0.02))]
    tensors.append(("model.norm.weight", (D,), around_one))
    model = os.path.join(out, "llama-1b-shape"); os.makedirs(model, exist_ok=True)
    write_safetensors(os.path.join(model, "model.safetensors"), "BF16", tensors)
    json.dump({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": D,
               "intermediate_size": D_MLP, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
               "num_key_value_heads": KV_HEADS, "head_dim": D_HEAD, "vocab_size": VOCAB, "max_position_embeddings": 131072,
               "attention_bias": False, "mlp_bias": False, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
               "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                                "original_max_position_embeddings": 8192},
               "bos_token_id": 128000, "eos_token_id": 128001, "tie_word_embeddings": True, "torch_dtype": "bfloat16"},
              open(os.path.join(model, "config.json"), "w"), indent=2)

    sae = os.path.join(out, "llama-1b-shape-sae"); os.makedirs(sae, exist_ok=True)
    w_dec = normal(1.0)((D_SAE, D)); w_dec /= np.linalg.norm(w_dec, axis=1, keepdims=True)
    write_safetensors(os.path.join(sae, "sae_weights.safetensors"), "F32",
                      [("W_dec", (D_SAE, D), lambda _: w_dec), ("W_enc", (D, D_SAE), lambda _: w_dec.T),
                       ("b_dec", (D,), normal(0.05)), ("b_enc", (D_SAE,), lambda shape: BIAS + normal(0.05)(shape))])
    # Written last: it says that everything is there.
    json.dump({"architecture": "standard", "d_in": D, "d_sae": D_SAE, "dtype": "float32", "device": "cpu",
               "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none",
               "metadata": {"sae_lens_version": "6.54.12", "model_name": "llama-3.2-1b", "hook_name": "blocks.12.hook_resid_pre",
                            "hook_head_index": None, "prepend_bos": True, "context_size": 1024, "model_from_pretrained_kwargs": {}}},
              open(os.path.join(sae, "cfg.json"), "w"), indent=2)


if __name__ == "__main__":
    main(sys.argv[1])
