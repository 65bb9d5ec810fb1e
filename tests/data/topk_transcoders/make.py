"""Top-k transcoders as circuit-tracer saves them (SingleLayerTranscoder.to_safetensors), and what it makes of random input.

Run with circuit-tracer 4bb8c0e (decoderesearch, April 2026; of it only circuit_tracer/transcoder/activation_functions.py):
    python make.py ACTIVATION_FUNCTIONS.PY   (writes beside itself)
NAME/layer_1.safetensors and NAME/config.yaml; NAME/expected.safetensors: x, feature_acts, sae_out. In `many` more
features are kept than are positive.
"""

import importlib.util
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

HERE = Path(__file__).parent
D, D_SAE, ROWS = 16, 40, 7
spec = importlib.util.spec_from_file_location("activation_functions", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

# name: (k, whether the file has it as a tensor, whether config.yaml says it, skip connection)
CASES = {"tensor": (5, True, True, False), "config": (4, False, True, True), "many": (33, True, False, False)}


def make(name: str, k: int, in_file: bool, in_config: bool, skip: bool) -> None:
    torch.manual_seed(k)
    state = {
        "W_enc": torch.randn(D_SAE, D) / math.sqrt(D),
        "W_dec": torch.randn(D_SAE, D),
        "b_enc": torch.randn(D_SAE) * 0.3,
        "b_dec": torch.randn(D),
    }
    if skip:
        state["W_skip"] = torch.randn(D, D) * 0.2
    x = torch.randn(ROWS, D)
    acts = module.TopK(k)(F.linear(x, state["W_enc"], state["b_enc"]))
    out = acts @ state["W_dec"] + state["b_dec"]
    if skip:
        out = out + x @ state["W_skip"].T
    directory = HERE / name
    directory.mkdir(exist_ok=True)
    save_file({**state, **({"k": torch.tensor(k)} if in_file else {})}, directory / "layer_1.safetensors")
    lines = ['model_name: "random"', 'model_kind: "transcoder_set"', 'feature_input_hook: "mlp.hook_in"']
    lines += ['feature_output_hook: "hook_mlp_out"'] + (['activation: "topk"', f"k: {k}"] if in_config else [])
    (directory / "config.yaml").write_text("\n".join(lines) + "\n")
    save_file({"x": x, "feature_acts": acts, "sae_out": out}, directory / "expected.safetensors")


for name, case in CASES.items():
    make(name, *case)
