"""Random SAEs saved by sae_lens itself, and what it makes of random input: expected.safetensors in each directory.

Run with sae-lens 6.54.12: python make.py  (writes beside itself)
Tensors: x, feature_acts, sae_out; folded/* the same after fold_W_dec_norm(), where that is allowed.
"""

import copy
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from sae_lens import SAE

HERE = Path(__file__).parent
D_IN, D_OUT, D_SAE, ROWS = 16, 12, 40, 9

# name: (architecture, settings, norm scaling factor)
CASES = {
    "standard": ("standard", {}, None),
    "standard-no_b_dec": ("standard", {"apply_b_dec_to_input": False}, None),
    "standard-constant_norm": ("standard", {"normalize_activations": "constant_norm_rescale"}, None),
    "standard-layer_norm": ("standard", {"normalize_activations": "layer_norm"}, None),
    "standard-factor": ("standard", {"normalize_activations": "expected_average_only_in"}, 1.7),
    "standard-hook_z": ("standard", {"reshape_activations": "hook_z"}, None),
    "gated": ("gated", {}, None),
    "gated-layer_norm": ("gated", {"normalize_activations": "layer_norm"}, None),
    "jumprelu": ("jumprelu", {}, None),
    "jumprelu-factor": ("jumprelu", {"normalize_activations": "expected_average_only_in"}, 0.6),
    "topk": ("topk", {"k": 5}, None),
    "topk-many": ("topk", {"k": 37}, None),
    "topk-rescaled": ("topk", {"k": 5, "rescale_acts_by_decoder_norm": True}, None),
    "topk-rescaled-factor": (
        "topk",
        {"k": 5, "rescale_acts_by_decoder_norm": True, "normalize_activations": "expected_average_only_in"},
        1.7,
    ),
    "abstopk": ("abstopk", {"k": 6}, None),
    "abstopk-rescaled-layer_norm": (
        "abstopk",
        {"k": 6, "rescale_acts_by_decoder_norm": True, "normalize_activations": "layer_norm"},
        None,
    ),
    "transcoder": ("transcoder", {}, None),
    "transcoder-layer_norm": ("transcoder", {"normalize_activations": "layer_norm"}, None),
    "transcoder-factor": ("transcoder", {"normalize_activations": "expected_average_only_in"}, 1.7),
    "skip_transcoder-constant_norm": ("skip_transcoder", {"normalize_activations": "constant_norm_rescale"}, None),
    "jumprelu_transcoder": ("jumprelu_transcoder", {}, None),
    "jumprelu_skip_transcoder": ("jumprelu_skip_transcoder", {}, None),
    "matching_pursuit": ("matching_pursuit", {}, None),
    "matching_pursuit-threshold": ("matching_pursuit", {"residual_threshold": 3.0, "max_iterations": 6}, None),
    "matching_pursuit-repeated": (
        "matching_pursuit",
        {
            "residual_threshold": 0.0,
            "max_iterations": 25,
            "stop_on_duplicate_support": False,
            "apply_b_dec_to_input": False,
            "normalize_activations": "layer_norm",
        },
        None,
    ),
    "temporal": (
        "temporal",
        {
            "n_heads": 2,
            "bottleneck_factor": 4,
            "kval_topk": 6,
            "normalize_activations": "constant_scalar_rescale",
            "activation_normalization_factor": 0.4,
        },
        None,
    ),
    "temporal-untied": (
        "temporal",
        {
            "n_heads": 4,
            "n_attn_layers": 2,
            "bottleneck_factor": 2,
            "sae_diff_type": "relu",
            "tied_weights": False,
            "apply_b_dec_to_input": False,
        },
        None,
    ),
    "temporal-no_b_dec": (
        "temporal",
        {
            "n_heads": 1,
            "bottleneck_factor": 8,
            "kval_topk": 5,
            "apply_b_dec_to_input": False,
            "normalize_activations": "layer_norm",
        },
        None,
    ),
    "matching_pursuit-factor": (
        "matching_pursuit",
        {"residual_threshold": 3.0, "normalize_activations": "expected_average_only_in"},
        1.7,
    ),
}


def run(sae: SAE, x: torch.Tensor, prefix: str) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        acts, out = sae.encode(x), sae(x)
    return {f"{prefix}feature_acts": acts.contiguous(), f"{prefix}sae_out": out.contiguous()}


def make(name: str, architecture: str, settings: dict, factor: float | None, seed: int) -> None:
    torch.manual_seed(seed)
    transcoder = "transcoder" in architecture
    hook_z = settings.get("reshape_activations") == "hook_z"
    metadata = {"model_name": "random", "hook_name": "blocks.0.attn.hook_z" if hook_z else "blocks.0.hook_resid_pre"}
    if transcoder:
        metadata["hook_name_out"] = "blocks.0.hook_mlp_out"
        settings = {"d_out": D_OUT, "apply_b_dec_to_input": False, **settings}
    sae = SAE.from_dict(
        {"architecture": architecture, "d_in": D_IN, "d_sae": D_SAE, "metadata": metadata, **settings}
    )
    with torch.no_grad():
        for key, value in sae.named_parameters():
            if key.startswith("attn_layers"):  # as large as they are initialised, but for what attends
                value *= 60 if "k_ctx" in key or "q_target" in key else 1
                continue
            scale = {"W_enc": 0.3, "W_skip": 0.2, "threshold": 0.5, "r_mag": 0.3}.get(key, 0.5)
            value.copy_(torch.randn_like(value) * scale)
            if key == "threshold":
                value.abs_()
        if architecture == "matching_pursuit":
            sae.W_dec /= sae.W_dec.norm(dim=1, keepdim=True)
        else:
            sae.W_dec *= torch.rand(D_SAE, 1) * 2 + 0.2
    directory = HERE / name
    sae.save_model(directory)
    x = torch.randn(ROWS, D_IN) * 1.5 + 0.3
    if architecture == "temporal":
        x = x[None]  # one prompt
    if hook_z:
        x = x.reshape(ROWS, 4, D_IN // 4)
    if factor is not None:
        sae.fold_activation_norm_scaling_factor(factor)
    expected = {"x": x, **run(sae, x, "")}
    try:
        folded = copy.deepcopy(sae)
        folded.fold_W_dec_norm()
        expected |= run(folded, x, "folded/")
    except NotImplementedError:
        pass
    save_file({key: value.float().contiguous() for key, value in expected.items()}, directory / "expected.safetensors")


if __name__ == "__main__":
    for seed, (name, (architecture, settings, factor)) in enumerate(CASES.items()):
        make(name, architecture, settings, factor, seed)
    factors = {name: factor for name, (_, _, factor) in CASES.items() if factor is not None}
    (HERE / "factors.json").write_text(json.dumps(factors, indent=2) + "\n")
