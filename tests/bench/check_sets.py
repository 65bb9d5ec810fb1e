"""Runs the sets that sets.ts wrote again, from their features alone, in PyTorch; prints the largest differences.

    python check_sets.py SETS.json PROMPTS.json MODEL SAE     (needs torch, transformers, tokenizers, safetensors)

For models of transformers whose blocks are model.model.layers and standard SAEs at their residual stream.
"""
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

sets, prompts = (json.loads(Path(name).read_text()) for name in sys.argv[1:3])
directory, sae_directory = map(Path, sys.argv[3:5])
model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
sae = {name: tensor.float() for name, tensor in load_file(sae_directory / "sae_weights.safetensors").items()}
hook = json.loads((sae_directory / "cfg.json").read_text())["metadata"]["hook_name"]
block = model.model.layers[int(hook.split(".")[1])]
assert hook.endswith("hook_resid_pre")
answers = {one["prompt"]: (one["pos_token"], one["neg_token"]) for one in prompts["prompts"]}


def run(ids, positive, negative, change=None):
    """The logit difference, and the stream at the hook; `change` is added there."""
    seen = []

    def before(_, args):
        seen.append(args[0][0].clone())
        return (args[0] + change[None], *args[1:]) if change is not None else None

    handle = block.register_forward_pre_hook(before)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, -1]
    handle.remove()
    return (logits[positive] - logits[negative]).item(), seen[0]


worst = dict.fromkeys(["metric", "metricNone", "metricKept", "metricWithout", "kept", "left"], 0.0)
count = 0
for one in sets:
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    [positive], [negative] = (encode(token) for token in answers[one["prompt"]])
    ids = [model.config.bos_token_id, *encode(one["prompt"])]
    metric, x = run(ids, positive, negative)
    acts = torch.relu((x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"])
    for found in one["sets"]:
        mask = torch.zeros_like(acts)
        for feature in found["features"]:
            mask[feature["position"], feature["feature"]] = 1
        inside, outside = (acts * mask) @ sae["W_dec"], (acts * (1 - mask)) @ sae["W_dec"]
        none, kept, without = (run(ids, positive, negative, -gone)[0] for gone in (inside + outside, outside, inside))
        share = lambda value: (value - none) / (metric - none)
        got = dict(metric=metric, metricNone=none, metricKept=kept, metricWithout=without, kept=share(kept), left=share(without))
        assert int((acts > 0).sum()) == found["candidates"]
        for name, value in got.items():
            worst[name] = max(worst[name], abs(value - found[name]))
        count += 1
print(f"{count} sets of {len(sets)} prompts; largest differences:", {k: float(f"{v:.2g}") for k, v in worst.items()})
