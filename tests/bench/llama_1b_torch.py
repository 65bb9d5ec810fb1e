"""The attribution of llama_1b.ts as a PyTorch expert would write it by hand: the reference for its rows, memory and time.

    python llama_1b_torch.py DIR [--tokens 16] [--repeat 5] [--csv FILE]     DIR: what make_llama_1b_shape.py wrote

The model in float32, as transformers loads it without processing; no weight gradients, no gradient below the hook, the
unembedding at the last position only, decoder rows of the active features only.
"""
import argparse, json, os, resource, time

started = time.time()
parser = argparse.ArgumentParser()
parser.add_argument("dir"); parser.add_argument("--tokens", type=int, default=16)
parser.add_argument("--repeat", type=int, default=5); parser.add_argument("--csv")
args = parser.parse_args()
import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

imported = time.time()
model = LlamaForCausalLM.from_pretrained(os.path.join(args.dir, "llama-1b-shape"), dtype=torch.float32)
model = model.eval().requires_grad_(False)
sae = load_file(os.path.join(args.dir, "llama-1b-shape-sae", "sae_weights.safetensors"))
loaded = time.time()

LAYER, POSITIVE, NEGATIVE = 12, 100, 200
tokens = torch.tensor([[128000] + list(range(1000, 1000 + args.tokens - 1))])
found = {}


def keep(_, inputs, kwargs):
    """The stream before the SAE's layer becomes a leaf: nothing below it is differentiated."""
    found["x"] = inputs[0].detach().requires_grad_(True)
    return (found["x"], *inputs[1:]), kwargs


model.model.layers[LAYER].register_forward_pre_hook(keep, with_kwargs=True)
runs = []
for _ in range(args.repeat):
    start = time.time()
    logits = model(tokens, logits_to_keep=1, use_cache=False).logits[0, -1]
    (logits[POSITIVE] - logits[NEGATIVE]).backward()
    with torch.no_grad():
        x, g = found["x"][0], found["x"].grad[0]
        acts = torch.relu((x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"])
        position, feature = acts.nonzero(as_tuple=True)
        attribution = acts[position, feature] * (sae["W_dec"][feature] * g[position]).sum(-1)
        order = attribution.argsort(descending=True)
        rows = list(zip(position[order].tolist(), feature[order].tolist(), attribution[order].tolist()))
    runs.append(round(time.time() - start, 3))
if args.csv:
    with open(args.csv, "w") as f:
        f.write("position,feature,attribution\n" + "".join(f"{p},{q},{a:.8g}\n" for p, q, a in rows))
print(json.dumps({"tokens": tokens.shape[1], "imports_s": round(imported - started, 2), "load_s": round(loaded - imported, 2),
                  "attribution_s": runs, "rows": len(rows), "total_s": round(time.time() - started, 2),
                  "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
