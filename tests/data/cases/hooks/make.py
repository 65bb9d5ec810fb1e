"""Every hook's value and gradient in TransformerLens, and logits of transformers under other settings.

Run with transformer-lens 3.9.0 and transformers 5.23.0: python make.py [MODEL...]  (reads ../../models, writes beside itself)

<model>.safetensors: `<processing>/act/<hook>` and `<processing>/grad/<hook>`, float64 rounded to float32, batch dimension
first, for the processing `default` (TransformerLens's), and `none` where a bias or a centring makes that another model.
The gradient is that of 2·logits[-1, 5] − logits[-1, 7] + logits[-3, 9]. TransformerLens calls ln1 three times and keeps
the gradient of one: none is written at ln1's hooks.
variants.json: a model's last logits, less their mean where there is no soft cap, with some settings of its config.json
changed, by transformers's own code.
"""

import copy
import json
import math
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.pretrained import weight_conversions
from transformer_lens.utilities.architectures import POST_NORM_ARCHITECTURES
from transformers import AutoConfig, AutoModelForCausalLM

HERE = Path(__file__).parent
MODELS = HERE.parent.parent / "models"
CONVERT = {
    "gemma": "convert_gemma_weights",
    "gemma2": "convert_gemma_weights",
    "gemma3_text": "convert_gemma_weights",
    "gpt2": "convert_gpt2_weights",
    "gpt_neo": "convert_neo_weights",
    "gpt_neox": "convert_neox_weights",
    "llama": "convert_llama_weights",
    "mistral": "convert_mistral_weights",
    "olmo2": "convert_olmo2_weights",
    "olmo3": "convert_olmo3_weights",
    "phi3": "convert_phi3_weights",
    "qwen2": "convert_qwen2_weights",
    "qwen3": "convert_qwen3_weights",
}
FLAGS = ["fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases"]
BIASED = ["gpt2", "gpt-neo", "neox", "qwen2"]
TOKENS = [311, 17, 260, 96, 340, 5, 222, 301, 48]

LONGROPE = {
    "type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0, 1.1, 1.3, 1.6],
    "long_factor": [1.2, 2.5, 4.0, 7.5],
}

# name: (model, settings of config.json that replace the file's; null removes one)
VARIANTS = {
    "gpt_neox, one after the other": ("neox", {"use_parallel_residual": False}),
    "gpt_neox, the whole head rotated": ("neox", {"rotary_pct": 1.0, "rotary_emb_base": 500}),
    "gemma3, linear scaling without a window": ("gemma3", {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    "gemma3, every second layer": ("gemma3", {"layer_types": None, "sliding_window_pattern": 2}),
    "gemma2, without soft caps": ("gemma2", {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
    "gemma2, another scale": ("gemma2", {"query_pre_attn_scalar": 7}),
    "llama, linear scaling": ("llama31", {"rope_scaling": {"type": "linear", "factor": 4.0}}),
    "llama3, a longer context": (
        "llama31",
        {
            "rope_scaling": {
                "rope_type": "llama3",
                "factor": 32.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 2.0,
                "original_max_position_embeddings": 12,
            }
        },
    ),
    "mistral, no window": ("mistral", {"sliding_window": None}),
    "qwen2, a window from layer 1 on": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1, "layer_types": None},
    ),
    "qwen3, a window in one layer": (
        "qwen3",
        {
            "use_sliding_window": True,
            "sliding_window": 3,
            "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        },
    ),
    "gpt_neo, local first": (
        "gpt-neo",
        {"attention_types": [[["local"], 1], [["global"], 1]], "attention_layers": None, "window_size": 2},
    ),
    "llama, yarn": ("llama31", {"rope_scaling": {"type": "yarn", "factor": 8.0, "original_max_position_embeddings": 8}}),
    "llama, yarn not widened": (
        "llama31",
        {
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": 8.0,
                "original_max_position_embeddings": 64,
                "beta_fast": 6.0,
                "beta_slow": 0.5,
                "mscale": 0.7,
                "mscale_all_dim": 1.2,
                "truncate": False,
            }
        },
    ),
    "llama, dynamic scaling of a short prompt": ("llama31", {"rope_scaling": {"type": "dynamic", "factor": 4.0}}),
    "phi3, no window": ("phi3", {"sliding_window": None}),
    "phi3, longrope, a short prompt": ("phi3", {"rope_scaling": LONGROPE, "original_max_position_embeddings": 16}),
    "phi3, longrope, a long prompt": ("phi3", {"rope_scaling": LONGROPE, "original_max_position_embeddings": 8}),
    "olmo3, every fourth layer": ("olmo3", {"layer_types": None}),
    "gemma, the first files": ("gemma", {"hidden_act": "gelu"}),
    "gpt_neo, erf gelu": ("gpt-neo", {"activation_function": "gelu"}),
}


def tl_config(model):
    c = model.config
    first = lambda *keys: next((getattr(c, k) for k in keys if getattr(c, k, None) is not None), None)
    heads, width = first("num_attention_heads", "num_heads", "n_head"), first("hidden_size", "n_embd")
    rms, d_head = first("rms_norm_eps") is not None, first("head_dim") or width // heads
    settings = dict(
        d_model=width,
        d_head=d_head,
        n_heads=heads,
        n_layers=first("num_hidden_layers", "num_layers", "n_layer"),
        n_ctx=64,
        d_vocab=c.vocab_size,
        d_mlp=first("intermediate_size", "n_inner") or 4 * width,
        eps=first("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"),
        act_fn=first("hidden_act", "hidden_activation", "activation_function"),
        normalization_type="RMS" if rms else "LN",
        gated_mlp=rms,
        final_rms=rms,
        dtype=torch.float64,
        device="cpu",
        original_architecture=type(model).__name__,
    )
    key_value_heads = first("num_key_value_heads") or heads
    if key_value_heads != heads:
        settings["n_key_value_heads"] = key_value_heads
    rope = getattr(c, "rope_parameters", None)
    if rope:
        full = rope.get("full_attention", rope)
        settings.update(
            positional_embedding_type="rotary",
            rotary_adjacent_pairs=False,
            rotary_dim=int(d_head * full.get("partial_rotary_factor", 1)),
            rotary_base=full["rope_theta"],
        )
        if full["rope_type"] == "yarn":
            settings.update(
                use_yarn_rope=True,
                yarn_global_attn_only=True,
                yarn_factor=full["factor"],
                yarn_attention_factor=full["attention_factor"],
                yarn_beta_fast=full["beta_fast"],
                yarn_beta_slow=1.0,
                yarn_original_max_position_embeddings=full["original_max_position_embeddings"],
                yarn_truncate=True,
            )
        if full["rope_type"] == "llama3":
            settings.update(
                use_NTK_by_parts_rope=True,
                NTK_by_parts_factor=full["factor"],
                NTK_by_parts_low_freq_factor=full["low_freq_factor"],
                NTK_by_parts_high_freq_factor=full["high_freq_factor"],
                NTK_original_ctx_len=full["original_max_position_embeddings"],
            )
    match c.model_type:
        case "gpt_neo":
            settings.update(use_attn_scale=False, use_local_attn=True)
            settings.update(window_size=c.window_size, attn_types=c.attention_layers)
        case "gpt_neox":
            settings["parallel_attn_mlp"] = c.use_parallel_residual
        case "mistral" | "phi3":
            settings.update(use_local_attn=True, window_size=c.sliding_window)
            settings["attn_types"] = ["local"] * c.num_hidden_layers
        case "olmo3":
            settings.update(use_local_attn=True, window_size=c.sliding_window)
            settings["attn_types"] = ["local" if t == "sliding_attention" else "global" for t in c.layer_types]
        case "gemma2" | "gemma3_text":
            settings.update(use_local_attn=True, window_size=c.sliding_window)
            settings["attn_types"] = ["local" if t == "sliding_attention" else "global" for t in c.layer_types]
            settings["attn_scale"] = math.sqrt(c.query_pre_attn_scalar)
            settings["use_normalization_before_and_after"] = True
            if c.attn_logit_softcapping:
                settings["attn_scores_soft_cap"] = c.attn_logit_softcapping
            if c.final_logit_softcapping:
                settings["output_logits_soft_cap"] = c.final_logit_softcapping
    if c.model_type == "gemma3_text":
        settings["rotary_base_local"] = rope["sliding_attention"]["rope_theta"]
    if c.model_type in ("gemma3_text", "qwen3"):
        settings["use_qk_norm"] = True
    return HookedTransformerConfig(**settings)


def hooks(name, processing):
    source = AutoModelForCausalLM.from_pretrained(MODELS / name, dtype=torch.float32)
    config = tl_config(source)
    default = processing == "default"
    flags = {flag: default for flag in FLAGS}
    flags["center_writing_weights"] = default and config.normalization_type == "LN"
    flags["fold_ln"] = default and config.original_architecture not in POST_NORM_ARCHITECTURES
    flags["center_unembed"] = default and config.output_logits_soft_cap <= 0
    state = getattr(weight_conversions, CONVERT[source.config.model_type])(source, config)
    if config.n_key_value_heads is None:  # these converters always write for groups of heads
        state = {key.replace("attn._", "attn."): value for key, value in state.items()}
    model = HookedTransformer(config)
    state = {key: value.double() for key, value in state.items()}
    model.load_and_process_state_dict(state, refactor_factored_attn_matrices=False, **flags)
    model = model.double()
    model.set_use_hook_mlp_in(True)
    values = {}

    def keep(value, hook):
        value.retain_grad()
        values[hook.name] = value

    for hook in model.hook_dict.values():
        if not hook.name.startswith("unembed."):
            hook.add_hook(keep)
    logits = model(torch.tensor([TOKENS]))
    (2 * logits[0, -1, 5] - logits[0, -1, 7] + logits[0, -3, 9]).backward()
    found = {}
    for hook, value in values.items():
        found[f"act/{hook}"] = value.detach().clamp(min=-1e30)
        if value.grad is not None and ".ln1.hook_" not in hook:
            found[f"grad/{hook}"] = value.grad.nan_to_num()
    return {f"{processing}/{key}": value.float().contiguous() for key, value in found.items()}


def variant(name, changes):
    given = json.loads((MODELS / name / "config.json").read_text())
    if "rope_scaling" in changes or "rotary_pct" in changes:
        given.pop("rope_parameters", None)
    given.update(copy.deepcopy(changes))
    given = {k: v for k, v in given.items() if v is not None or k not in ("layer_types", "attention_layers")}
    config = AutoConfig.for_model(**given)
    model = AutoModelForCausalLM.from_pretrained(
        MODELS / name, config=config, dtype=torch.float64, attn_implementation="eager"
    )
    logits = model(torch.tensor([TOKENS])).logits[0, -1]
    if not getattr(config, "final_logit_softcapping", None):
        logits = logits - logits.mean()
    return {"model": name, "changes": changes, "tokens": TOKENS, "logits": [round(x, 7) for x in logits.tolist()]}


if __name__ == "__main__":
    for path in sorted(MODELS.iterdir()):
        if sys.argv[1:] and path.name not in sys.argv[1:]:
            continue
        tensors = hooks(path.name, "default")
        if path.name in BIASED:
            tensors.update(hooks(path.name, "none"))
        save_file({"tokens": torch.tensor(TOKENS, dtype=torch.float32), **tensors}, HERE / f"{path.name}.safetensors")
    variants = {name: variant(*of) for name, of in VARIANTS.items()}
    (HERE / "variants.json").write_text(json.dumps(variants) + "\n")
