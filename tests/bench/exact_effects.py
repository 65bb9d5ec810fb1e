"""`attribute --method ablation` on a real model against PyTorch: every active feature removed in Hugging Face's model.

    python exact_effects.py MODEL SAE [--prompts 3] [--deno deno]

MODEL is a directory in Llama's layout, SAE one in SAELens's (standard, at a block's hook_resid_pre, which in such a model
no processing changes). The blocks above the hook run in float64 on the stream less f · W_dec[feature]; nothing is shared
with the program but the files and the token ids. Needs torch and transformers; run it from the repository's root. The
prompts are the first of real_prompts.json, beside this script.
"""

import argparse
import csv
import json
import subprocess
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
COPIES = 32


def effects(model, sae, layer, tokens, positive, negative):
    """By (position, feature), metric − metric without the feature; and the metric."""
    stream = model.model(torch.tensor([tokens]), output_hidden_states=True, use_cache=False).hidden_states[layer]
    acts = torch.relu((stream[0] - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"])
    whole = model.model.layers
    model.model.layers = whole[layer:]

    def metric(inputs):
        last = model.model(inputs_embeds=inputs, use_cache=False).last_hidden_state[:, -1]
        rows = model.lm_head.weight[[positive, negative]]
        return (last @ rows.T) @ torch.tensor([1.0, -1.0], dtype=torch.float64)

    clean = metric(stream)[0]
    active = acts.nonzero().tolist()
    found = {}
    for start in range(0, len(active), COPIES):
        some = active[start : start + COPIES]
        copies = stream.repeat(len(some), 1, 1)
        for i, (position, feature) in enumerate(some):
            copies[i, position] -= acts[position, feature] * sae["W_dec"][feature]
        for at, value in zip(some, metric(copies)):
            found[tuple(at)] = (clean - value).item()
    model.model.layers = whole
    return found, clean.item()


def ours(args, prompt, directory):
    output, summary = Path(directory) / "rows.csv", Path(directory) / "run.json"
    command = [*args.deno.split(), "run", "-A", "cli.ts", "attribute", prompt["prompt"], "--method", "ablation"]
    command += ["--pos-token", prompt["pos_token"], "--neg-token", prompt["neg_token"], "--model", args.model]
    command += ["--sae", args.sae, "--output", str(output), "--summary", str(summary)]
    subprocess.run(command, check=True, capture_output=True)
    rows = list(csv.DictReader(output.open()))
    assert all(row["exact"] == "true" for row in rows)
    return {(int(row["position"]), int(row["feature"])): float(row["attribution"]) for row in rows}, json.loads(
        summary.read_text()
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("sae")
    parser.add_argument("--prompts", type=int, default=3)
    parser.add_argument("--deno", default="deno")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    config = json.loads((Path(args.sae) / "cfg.json").read_text())
    _, layer, hook = config["metadata"]["hook_name"].split(".")
    assert hook == "hook_resid_pre" and config["architecture"] == "standard" and config["apply_b_dec_to_input"]
    sae = {name: value.double() for name, value in load_file(Path(args.sae) / "sae_weights.safetensors").items()}
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float64, attn_implementation="eager")
    failed = False
    for prompt in json.loads((HERE / "real_prompts.json").read_text())["prompts"][: args.prompts]:
        with tempfile.TemporaryDirectory() as directory:
            said, run = ours(args, prompt, directory)
        tokens = [token["id"] for token in run["tokens"]]
        # logits[-1, 7] - logits[-1, 9]
        positive, negative = (int(part.split("]")[0]) for part in run["metric"]["formula"].split("-1, ")[1:])
        wanted, metric = effects(model, sae, int(layer), tokens, positive, negative)
        largest = max(map(abs, wanted.values()))
        # A row that is missing has an effect of 0; so has a feature that only one of both finds active.
        worst = max(abs(said.get(at, 0) - wanted.get(at, 0)) for at in wanted.keys() | said.keys())
        print(
            f"{prompt['prompt']!r}: metric {run['metric']['value']:.6f} and {metric:.6f}; {len(said)} rows of "
            f"{len(wanted)} active, furthest off {worst:.2e}, {worst / largest:.2e} of the largest ({largest:.4f})",
            flush=True,
        )
        failed |= worst > 1e-4 * largest
    if failed:
        raise SystemExit("more than 1e-4 of the largest apart")


main()
