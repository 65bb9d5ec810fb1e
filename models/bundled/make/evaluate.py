"""Measures everything that is claimed of tiny-facts on the files as saved, and writes report.json and ../index.json.

All figures are on half-precision weights, computed with in single precision.
"""
import argparse
import json
import random

import numpy as np
import torch
from scipy.stats import pearsonr, spearmanr

import facts
from common import (BUNDLED, HERE, RESID_HOOKS, SAE_DIR, TRANSCODER, TRANSCODER_IN, TRANSCODER_OUT, activations, collect,
                    layer_of, load_model, make_tokens, run_edited)


# Written by hand after the last run.
MISSED = [
    "Explained variance was to be .90 to .98; blocks.3.hook_resid_pre (.986) and the transcoder (.996) are above it. "
    "A sparser SAE would have been inside, but with logit differences or linearity out of range.",
    "Answer probability was to be .5 to .95: the means are, a part of the single prompts is a little above .95.",
    "Agreement on held-out noun pairs: top-1 counts any word, and after a bare subject (' The keys') a preposition can be likelier than the verb.",
    "Labels: on one of the 20 prompts under 60 % of the top ten features of blocks.2.hook_resid_pre have a label precision of .8.",
]


def read_in(hook):
    return TRANSCODER_IN if hook == TRANSCODER else hook


@torch.no_grad()
def model_figures(model, tokenizer, n=1000):
    """Accuracy and answer probability by kind, on held-out templates and held-out (entity, template) pairs."""
    bos, out = tokenizer.bos_token_id, {}
    ids = {t: tokenizer.encode(t)[0] for t in facts.lexicon()}
    for which in ("templates", "pairs"):
        rng = random.Random(41 if which == "templates" else 42)
        for kind in facts.TEMPLATES:
            rows, ends, answers = [], [], []
            for _ in range(n):
                s = facts.sentence(rng, kind, which, noisy=False)
                row = [bos] + [ids[t] for t in s.tokens()[:s.answer_at]]
                ends.append(len(row) - 1)
                rows.append(row + [bos] * (32 - len(row)))
                answers.append(ids[" " + s.answer])
            p = model(torch.tensor(rows)).logits[torch.arange(n), torch.tensor(ends)].softmax(-1)
            a = torch.tensor(answers)
            q = p[torch.arange(n), a]
            out.setdefault("held-out " + which, {})[kind] = {
                "top1": round((p.argmax(-1) == a).float().mean().item(), 4), "mean probability": round(q.mean().item(), 3),
                "share with probability of .5 to .95": round(((q >= 0.5) & (q <= 0.95)).float().mean().item(), 3)}
    return out


@torch.no_grad()
def sae_figures(model, tokenizer, sae, hook, tokens, mask):
    """L0, explained variance, dead features, and cross entropy with the SAE's output in place; BOS left out."""
    hooks = [read_in(hook), hook] if hook == TRANSCODER else [hook]
    acts = collect(model, tokens, mask, hooks)
    x, y = acts[hooks[0]], acts[hooks[-1]]
    fired, l0, error = torch.zeros(sae.cfg.d_sae), 0.0, 0.0
    for i in range(0, len(x), 8192):
        f = sae.encode(x[i:i + 8192])
        fired += (f > 0).float().sum(0)
        l0 += (f > 0).float().sum().item()
        error += (sae.decode(f) - y[i:i + 8192]).pow(2).sum().item()
    variance = (y - y.mean(0)).pow(2).sum().item()
    few, few_mask = tokens[:200], mask[:200]

    def ce(edit):
        logits = model(few).logits if edit is None else run_edited(model, few, hook, edit)
        at = few_mask[:, 1:]
        return torch.nn.functional.cross_entropy(logits[:, :-1][at], few[:, 1:][at]).item()

    source = activations(model, few, [read_in(hook)])[read_in(hook)]
    recon = sae.decode(sae.encode(source))
    mean = y.mean(0)
    original, with_sae = ce(None), ce(lambda t: torch.where(few_mask[..., None], recon, t))
    with_mean = ce(lambda t: torch.where(few_mask[..., None], mean, t))
    return {"L0": round(l0 / len(x), 2), "explained variance": round(1 - error / variance, 4),
            "dead features": int((fired == 0).sum()), "dead share": round((fired == 0).float().mean().item(), 4),
            "features firing on under 1 in 10,000": int((fired / len(x) < 1e-4).sum()), "tokens": len(x),
            "cross entropy": {"original": round(original, 4), "with the SAE": round(with_sae, 4),
                              "with the mean": round(with_mean, 4),
                              "recovered": round((with_mean - with_sae) / (with_mean - original), 4)}}


def attribution(model, tokenizer, sae, hook, prompt):
    """Attribution and exact ablation of every active (position, feature) past BOS; and the metric without the error term."""
    ids = torch.tensor([[tokenizer.bos_token_id] + tokenizer(prompt["prompt"]).input_ids])
    pos, neg = (tokenizer.encode(prompt[k])[0] for k in ("pos_token", "neg_token"))
    metric = lambda logits: logits[:, -1, pos] - logits[:, -1, neg]
    source = activations(model, ids, [read_in(hook)])[read_in(hook)][0]
    with torch.no_grad():
        f = sae.encode(source)
        recon = sae.decode(f)
    f = f.clone()
    f[0] = 0  # BOS is left out
    leaf = {}

    def tap(t):
        leaf["x"] = t.detach().clone().requires_grad_(True)
        return leaf["x"]

    logits = run_edited(model, ids, hook, tap)
    m = metric(logits)[0]
    m.backward()
    grad = leaf["x"].grad[0]
    where = f.nonzero()
    contribution = f[where[:, 0], where[:, 1], None] * sae.W_dec[where[:, 1]].detach()
    score = (contribution * grad[where[:, 0]]).sum(-1)
    exact = []
    with torch.no_grad():
        for i in range(0, len(where), 256):
            w, c = where[i:i + 256], contribution[i:i + 256]

            def edit(t):
                t = t.clone()
                t[torch.arange(len(w)), w[:, 0]] -= c
                return t

            exact.append(m.item() - metric(run_edited(model, ids.expand(len(w), -1), hook, edit)))

        def replace(t):
            t = t.clone()
            t[0, 1:] = recon[1:]
            return t

        without = metric(run_edited(model, ids, hook, replace))[0].item()
        p = logits[0, -1].softmax(-1)
    top = [tokenizer.decode([t]) for t in p.topk(3).indices]
    return {"metric": m.item(), "without": without, "where": where.numpy(), "score": score.detach().numpy(),
            "exact": torch.cat(exact).numpy(), "probability": p[pos].item(), "top": top}


def prompt_figures(model, tokenizer, sae, hook, prompts, labels):
    rows = []
    for prompt in prompts:
        r = attribution(model, tokenizer, sae, hook, prompt)
        big = np.abs(r["exact"]) > 0.01 * abs(r["metric"])
        top = np.argsort(-np.abs(r["score"]))[:10]
        share = np.mean([labels["features"][str(r["where"][t, 1])]["precision"] >= 0.8 for t in top])
        rows.append({"prompt": prompt["prompt"], "answer": prompt["pos_token"], "probability": round(r["probability"], 3),
                     "top three": r["top"], "logit difference": round(r["metric"], 3),
                     "ratio without the error term": round(r["without"] / r["metric"], 3), "active": len(r["score"]),
                     "pearson": round(float(pearsonr(r["score"], r["exact"])[0]), 4),
                     "spearman": round(float(spearmanr(r["score"], r["exact"])[0]), 4),
                     "sign agreement": round(float((np.sign(r["score"]) == np.sign(r["exact"]))[big].mean()), 4),
                     "effects over 1 %": int(big.sum()), "top ten features with label precision of .8": round(float(share), 2)})
    good = lambda key, low, high=9: sum(low <= r[key] <= high for r in rows)
    return {"prompts with ratio in .8 to 1.2": good("ratio without the error term", 0.8, 1.2),
            "prompts with pearson >= .9": good("pearson", 0.9), "prompts with spearman >= .85": good("spearman", 0.85),
            "prompts with pearson >= .9 and spearman >= .85": sum(r["pearson"] >= 0.9 and r["spearman"] >= 0.85 for r in rows),
            "prompts with sign agreement >= .95": good("sign agreement", 0.95),
            "sign agreement over all": round(float(np.average([r["sign agreement"] for r in rows], weights=[r["effects over 1 %"] for r in rows])), 4),
            "prompts with 60 % of the top ten labelled at .8": good("top ten features with label precision of .8", 0.6),
            "lowest share of the top ten labelled at .8": min(r["top ten features with label precision of .8"] for r in rows),
            "by prompt": rows}


def main():
    from sae_lens import SAE
    parser = argparse.ArgumentParser()
    parser.add_argument("hooks", nargs="*", default=RESID_HOOKS + [TRANSCODER])
    parser.add_argument("--saes", default=str(SAE_DIR))
    parser.add_argument("--quick", action="store_true", help="print the main figures only; write nothing")
    args = parser.parse_args()
    model, tokenizer = load_model()
    given = json.loads((BUNDLED / "prompts.json").read_text())
    n = model.num_parameters()
    report = {"name": f"tiny-facts (bundled, synthetic, {n} parameters; not GPT-2)", "parameters": n, "vocabulary": len(tokenizer),
              "targets missed": MISSED, "sports": len(facts.SPORTS), "athletes": len(facts.SPORT_OF), "label noise": facts.NOISE}
    if not args.quick:
        report["model"] = model_figures(model, tokenizer)
        report["fails"] = given["fails"]
    tokens, mask = make_tokens(tokenizer, 60_000 if args.quick else 200_000, seed=51)  # held out: another seed than any in training
    report["saes"] = {}
    for hook in args.hooks:
        folder = type(SAE_DIR)(args.saes) / hook
        sae = SAE.load_from_disk(folder, device="cpu")
        figures = sae_figures(model, tokenizer, sae, hook, tokens, mask)
        path = folder / "labels.json"
        labels = json.loads(path.read_text()) if path.exists() else {"features": {str(i): {"precision": 0, "label": "?"} for i in range(sae.cfg.d_sae)}}
        live = [v["precision"] for v in labels["features"].values() if v["label"] != "dead"]
        figures["share of live features with label precision of .8"] = round(float(np.mean([p >= 0.8 for p in live])), 3)
        figures.update(prompt_figures(model, tokenizer, sae, hook, given["prompts"], labels))
        report["saes"][hook] = figures
        print(hook, json.dumps({k: v for k, v in figures.items() if k != "by prompt"}, indent=1), flush=True)
        for r in figures["by prompt"]:
            print("  ", r["prompt"], r["top three"], *[r[k] for k in ("probability", "logit difference", "ratio without the error term", "active", "pearson",
                                                         "spearman", "sign agreement", "top ten features with label precision of .8")], flush=True)
    if args.quick:
        return
    print(json.dumps(report["model"], indent=1))
    files = [p for p in BUNDLED.rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    report["bytes of all files"] = sum(p.stat().st_size for p in files if p.name != "report.json")
    (HERE / "report.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    index = {"tiny-facts": {"directory": "tiny-facts", "description": report["name"], "parameters": n,
                            "default_sae": f"tiny-facts/{RESID_HOOKS[0]}",
                            "saes": {f"tiny-facts/{h}": {"directory": f"tiny-facts-saes/{h}", "hook": h} for h in RESID_HOOKS + [TRANSCODER]}}}
    (BUNDLED / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
