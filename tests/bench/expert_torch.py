"""The same attribution as notebook_stack.py as a PyTorch expert would write it by hand: the harder reference.

    python expert_torch.py DIR [--tokens 7 | --prompts FILE] [--repeat 5] [--csv FILE] [--device cuda]

DIR is what make_gpt2_shape.py wrote. With --prompts (JSON, a list of lists of token ids) a run is a loop over all of them.

No TransformerLens, no weight gradients, no gradient below the hook, the unembedding at the last position only,
decoder rows of the active features only.
"""
import argparse, json, os, resource, time

started = time.time()
parser = argparse.ArgumentParser()
parser.add_argument("dir"); parser.add_argument("--tokens", type=int, default=7)
parser.add_argument("--repeat", type=int, default=5); parser.add_argument("--csv"); parser.add_argument("--prompts")
parser.add_argument("--device", default="cpu")
args = parser.parse_args()
import torch
from safetensors.torch import load_file
from transformers import GPT2LMHeadModel

imported = time.time()
model = GPT2LMHeadModel.from_pretrained(os.path.join(args.dir, "gpt2-shape"), attn_implementation="sdpa")
model = model.eval().requires_grad_(False).transformer.to(args.device)
sae = load_file(os.path.join(args.dir, "sae-shape", "sae_weights.safetensors"), device=args.device)
loaded = time.time()

LAYER, GOLF, TENNIS = 10, 13126, 20790
tokens = [50256, 17030, 16483, 5341, 262, 6332, 286] if args.tokens == 7 else [50256] + list(range(1000, 1000 + args.tokens - 1))
prompts = [torch.tensor([ids], device=args.device) for ids in (json.load(open(args.prompts)) if args.prompts else [tokens])]


def blocks(x, layers):
    for block in layers:
        x = block(x)
        x = x[0] if isinstance(x, tuple) else x
    return x


def attribute(tokens):
    with torch.no_grad():
        x = blocks(model.wte(tokens) + model.wpe(torch.arange(tokens.shape[1], device=args.device)), model.h[:LAYER])
    x.requires_grad_(True)
    logits = model.ln_f(blocks(x, model.h[LAYER:])[:, -1]) @ model.wte.weight.T
    (logits[0, GOLF] - logits[0, TENNIS]).backward()
    with torch.no_grad():
        centred = x[0] - x[0].mean(-1, keepdim=True)
        acts = torch.relu((centred - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"])
        position, feature = acts.nonzero(as_tuple=True)
        attribution = acts[position, feature] * (sae["W_dec"][feature] * x.grad[0][position]).sum(-1)
        order = attribution.argsort(descending=True)
        return list(zip(position[order].tolist(), feature[order].tolist(), attribution[order].tolist()))


runs = []
for _ in range(args.repeat):
    start = time.time()
    for tokens in prompts:
        rows = attribute(tokens)
    runs.append(round(time.time() - start, 4))
if args.csv:
    with open(args.csv, "w") as f:
        f.write("position,feature,attribution\n" + "".join(f"{p},{q},{a:.8g}\n" for p, q, a in rows))
print(json.dumps({"tokens": tokens.shape[1], "imports_s": round(imported - started, 2), "load_s": round(loaded - imported, 2),
                  "attribution_s": runs, "rows": len(rows), "total_s": round(time.time() - started, 2),
                  "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
