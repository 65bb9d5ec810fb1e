"""Times the notebook's own code on a local GPT-2-shaped model: the reference to be faster than.

    python notebook_stack.py DIR --notebook FILE [--tokens 7 | --prompts FILE] [--repeat 5] [--csv FILE]
    DIR: what make_gpt2_shape.py wrote
    (pip install torch==2.13.0, then sae-lens==6.54.12 transformer-lens==3.9.0 transformers==5.23.0)

Runs the first code cell of the notebook as it stands, then its metric and its data frame.
Prints one JSON line: seconds for imports, model and SAE loading, each attribution, the whole process; peak memory in MiB.
"""
import argparse, json, os, resource, time

started = time.time()
parser = argparse.ArgumentParser()
parser.add_argument("dir"); parser.add_argument("--tokens", type=int, default=7)
parser.add_argument("--repeat", type=int, default=5); parser.add_argument("--csv"); parser.add_argument("--prompts")
parser.add_argument("--notebook", required=True, help="the notebook as text")
args = parser.parse_args()
os.environ["HF_HUB_OFFLINE"] = "1"
text = open(args.notebook).read()
exec(compile(text[text.index("In [3]:") + 7:text.index("In [7]:")], "seed", "exec"))
import pandas as pd
import transformer_lens.loading_from_pretrained as loading
from transformers import AutoConfig, AutoTokenizer, GPT2LMHeadModel

imported = time.time()
directory = os.path.join(args.dir, "gpt2-shape")
config = AutoConfig.from_pretrained(directory); config.n_ctx = 1024
loading.AutoConfig.from_pretrained = lambda *a, **k: config   # no hub here: the local config in its place
model = HookedSAETransformer.from_pretrained(
    "gpt2-small", device="cpu", hf_model=GPT2LMHeadModel.from_pretrained(directory),
    tokenizer=AutoTokenizer.from_pretrained(directory))
modelled = time.time()
sae = SAE.load_from_disk(os.path.join(args.dir, "sae-shape"), device="cpu")
hook = sae.cfg.metadata.hook_name
loaded = time.time()

if args.prompts:
    prompts = [torch.tensor([ids]) for ids in json.load(open(args.prompts))]
elif args.tokens == 7:
    prompts = [model.to_tokens(" Tiger Woods plays the sport of")]
else:
    prompts = [torch.tensor([[50256] + list(range(1000, 1000 + args.tokens - 1))])]
golf, tennis = 13126, 20790


def attribute(tokens):
    out = calculate_feature_attribution(
        input=tokens, model=model, include_saes={hook: sae},
        metric_fn=lambda logits: logits[0, -1, golf] - logits[0, -1, tennis])
    attribution = out.sae_feature_attributions[hook][0]
    at = torch.nonzero(attribution)
    frame = pd.DataFrame({"position": at[:, 0], "feature": at[:, 1], "attribution": attribution[at[:, 0], at[:, 1]]})
    return frame.sort_values("attribution", ascending=False)


runs = []
for _ in range(args.repeat):
    start = time.time()
    for tokens in prompts:
        frame = attribute(tokens)
    runs.append(round(time.time() - start, 4))
if args.csv:
    frame.to_csv(args.csv, index=False)
print(json.dumps({"tokens": tokens.shape[1], "imports_s": round(imported - started, 2), "model_s": round(modelled - imported, 2),
                  "sae_s": round(loaded - modelled, 2), "attribution_s": runs, "rows": len(frame),
                  "total_s": round(time.time() - started, 2),
                  "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
