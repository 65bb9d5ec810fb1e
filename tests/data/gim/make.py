"""GIM by its authors' package, in TransformerLens and float64: gim.safetensors, beside this script.

For golden cases of ../cases: the gradient of the case's metric at the SAE's hook, and attributions, with all of GIM's rules
and with frozen norms alone.

Run with ../cases/requirements.txt and gim-explain 0.1.4: python make.py
"""

import json
import sys
from pathlib import Path

import torch
from gim import GIM
from safetensors.torch import save_file

HERE = Path(__file__).parent
DATA = HERE.parent
sys.path.append(str(DATA / "cases"))
from reference import load_model, load_sae  # noqa: E402

CASES = [
    "gpt2-standard-resid_pre",
    "gpt2-no_processing-resid_pre",
    "families/llama-standard",
    "families/gemma2-gemma_scope",
    "families/gemma2-standard-mlp_out",
    "families/gemma3-standard",
    "families/neox-standard",
]
FROZEN_NORMS = {"softmax_temperature": None, "q_scale": None, "k_scale": None, "v_scale": None}


def gradient(model, case, rules):
    hook = case["saes"][0]["hook"]
    kept = []

    def keep(value, hook):
        value = value.detach().requires_grad_()
        kept.append(value)
        return value

    tokens = torch.tensor([case["tokens"]])
    loss = case["metric"]["kind"] == "loss"
    with GIM(model, **rules), model.hooks([(hook, keep)]):
        out = model(tokens, return_type="loss" if loss else "logits")
        if loss:
            metric = out
        else:
            logits = out[0, case["metric"]["position"]]
            metric = logits[case["metric"]["pos_token"]] - logits[case["metric"]["neg_token"]]
        metric.backward()
    assert abs(metric.item() - case["expected"]["metric"]) < 1e-5, metric.item()
    return kept[0].detach()[0], kept[0].grad[0]


tensors = {}
for name in CASES:
    case = json.loads((DATA / "cases" / f"{name}.json").read_text())
    given = case["processing"]
    kwargs = given.get("model_from_pretrained_kwargs")
    model = load_model(DATA / case["model"], kwargs, torch.float64)
    sae = load_sae(DATA / case["saes"][0]["path"], torch.float64)
    for method, rules in (("gim", {}), ("frozen-norms", FROZEN_NORMS)):
        value, g = gradient(model, case, rules)
        acts = sae.encode(value).detach()
        attributions = acts * (g @ sae.W_dec.detach().T)
        print(name, method, attributions.abs().max().item())
        tensors[f"{case['name']}/{method}/g"] = g.contiguous()
        tensors[f"{case['name']}/{method}/attributions"] = attributions.contiguous()
save_file(tensors, HERE / "gim.safetensors")
