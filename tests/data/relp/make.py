"""RelP with the rules that its authors' code applies by default, in float64: no_ah_rule.safetensors, beside this script.

The golden cases ../cases/*relp* are of all rules (arXiv 2508.21258): LN, AH, Identity, Half. The authors' own code
(github.com/FarnoushRJ/RelP) has LRP_rules = ['LN-rule', 'Identity-rule', 'Half-rule']: without the AH-rule, gradients go
through attention patterns. Here the rules are put into Hugging Face's models, and differentiated by autograd; with all of
them and with none, gradients must be those of the golden cases, which come from another stack.

Run with transformers 5.23.0 and torch 2.13.0: python make.py
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
DATA = HERE.parent
softmax = nn.functional.softmax


class Norm(nn.Module):
    """LayerNorm or RMSNorm; with the LN-rule its scale is a constant."""

    def __init__(self, of, rule):
        super().__init__()
        self.of, self.rule = of, rule
        self.eps = of.eps if isinstance(of, nn.LayerNorm) else of.variance_epsilon

    def forward(self, x):
        if isinstance(self.of, nn.LayerNorm):
            x = x - x.mean(-1, keepdim=True)
        scale = (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt()
        y = x / (scale.detach() if self.rule else scale) * self.of.weight
        return y + self.of.bias if isinstance(self.of, nn.LayerNorm) else y


class Activation(nn.Module):
    """With the Identity-rule, x · [act(x)/x]; of a gated MLP with the Half-rule, half of what its product passes on."""

    def __init__(self, of):
        super().__init__()
        self.of = of

    def forward(self, x):
        return x * (self.of(x) / x).detach()


def halve(down, args):
    """The Half-rule, where the product comes into the MLP's last matrix."""
    return (args[0] / 2 + (args[0] / 2).detach(),)


def put_rules(model, rules):
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.LayerNorm) or type(child).__name__.endswith("RMSNorm"):
                setattr(module, name, Norm(child, "LN" in rules))
            if name in ("act", "act_fn") and "Identity" in rules:
                setattr(module, name, Activation(child))
            if name == "down_proj" and "Half" in rules:
                child.register_forward_pre_hook(halve)

    def pattern(scores, dim, dtype=None):
        return softmax(scores, dim).detach() if "AH" in rules else softmax(scores, dim)

    nn.functional.softmax = pattern


def gradient(case, rules):
    model = AutoModelForCausalLM.from_pretrained(
        DATA / case["model"], dtype=torch.float64, attn_implementation="eager"
    )
    put_rules(model, rules)
    blocks = model.transformer.h if hasattr(model, "transformer") else model.model.layers
    _, layer, name = case["saes"][0]["hook"].split(".")
    seen = []

    def keep(_, args):
        args[0].retain_grad()
        seen.append(args[0])

    block = blocks[int(layer)]
    (block if name == "hook_resid_pre" else block.ln_2).register_forward_pre_hook(keep)
    logits = model(torch.tensor([case["tokens"]])).logits[0, case["metric"]["position"]]
    metric = logits[case["metric"]["pos_token"]] - logits[case["metric"]["neg_token"]]
    metric.backward()
    assert abs(metric.item() - case["expected"]["metric"]) < 1e-6, metric.item()
    return seen[0].grad[0]


tensors = {}
for file in sorted((DATA / "cases").glob("*relp*.json")):
    case = json.loads(file.read_text())
    golden = load_file(file.with_suffix(".safetensors"))
    for name, rules in (("g", ()), ("g_relp", ("LN", "AH", "Identity", "Half"))):
        worst = (gradient(case, rules) - golden[name]).abs().max() / golden[name].abs().max()
        print(f"{case['name']} {name}: {worst:.1e} of the largest away from the golden case")
        assert worst < 1e-6
    found = gradient(case, ("LN", "Identity", "Half"))
    decoder = load_file(DATA / case["saes"][0]["path"] / "sae_weights.safetensors")["W_dec"].double()
    attributions = golden["feature_acts"] * (found @ decoder.T)
    rows = torch.tensor(case["expected"]["rows"], dtype=torch.float64)
    said = attributions[rows[:, 0].long(), rows[:, 1].long()]
    pearson = torch.corrcoef(torch.stack([said, rows[:, 4]]))[0, 1]
    print(f"{case['name']}: Pearson with exact ablation {pearson:.3f}")
    tensors[f"{case['name']}/g"] = found.contiguous()
    tensors[f"{case['name']}/attributions"] = attributions.contiguous()
    tensors[f"{case['name']}/pearson"] = pearson.reshape(1).contiguous()
save_file(tensors, HERE / "no_ah_rule.safetensors")
