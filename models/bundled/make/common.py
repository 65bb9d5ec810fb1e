"""What the SAE scripts share: the model as saved, its activations, running it from an edited residual stream."""
import os
import random
from pathlib import Path

import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

import facts

HERE = Path(__file__).resolve().parent
BUNDLED = HERE.parent
MODEL_DIR = BUNDLED / "tiny-facts"
SAE_DIR = BUNDLED / "tiny-facts-saes"
RESID_HOOKS = ["blocks.3.hook_resid_pre", "blocks.2.hook_resid_pre"]
TRANSCODER_IN, TRANSCODER_OUT = "blocks.2.ln2.hook_normalized", "blocks.2.hook_mlp_out"
TRANSCODER = TRANSCODER_OUT
CONTEXT = 64


def load_model():
    """The half-precision weights on disk, computed with in single precision."""
    torch.set_num_threads(int(os.environ.get("THREADS", "2")))
    model = GPT2LMHeadModel.from_pretrained(MODEL_DIR, dtype=torch.float32, attn_implementation="eager").eval()
    for p in model.parameters():
        p.requires_grad_(False)
    return model, AutoTokenizer.from_pretrained(MODEL_DIR)


def layer_of(hook):
    return int(hook.split(".")[1])


def normalized(model, layer, x):
    """TransformerLens's ln2.hook_normalized: the layer norm before its gain and bias."""
    eps = model.transformer.h[layer].ln_2.eps
    x = x - x.mean(-1, keepdim=True)
    return x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt()


@torch.no_grad()
def activations(model, tokens, hooks):
    """tokens [batch, position] -> {hook: [batch, position, d_model]}; hooks by TransformerLens's names."""
    kept, handles = {}, []
    for hook in hooks:
        block = model.transformer.h[layer_of(hook)]
        if hook.endswith("hook_resid_pre"):
            handles.append(block.register_forward_pre_hook(
                lambda m, args, hook=hook: kept.__setitem__(hook, args[0].detach())))
        elif hook.endswith("ln2.hook_normalized"):
            handles.append(block.ln_2.register_forward_pre_hook(
                lambda m, args, hook=hook: kept.__setitem__(hook, normalized(model, layer_of(hook), args[0]))))
        else:
            handles.append(block.mlp.register_forward_hook(
                lambda m, args, out, hook=hook: kept.__setitem__(hook, out.detach())))
    model.transformer(tokens)
    for h in handles:
        h.remove()
    return kept


def run_edited(model, tokens, hook, edit):
    """Logits with the activation at the hook passed through `edit`."""
    block = model.transformer.h[layer_of(hook)]
    if hook.endswith("hook_resid_pre"):
        handle = block.register_forward_pre_hook(lambda m, args: (edit(args[0]), *args[1:]))
    else:
        handle = block.mlp.register_forward_hook(lambda m, args, out: edit(out))
    logits = model(tokens).logits
    handle.remove()
    return logits


def make_tokens(tokenizer, n_tokens, seed):
    """Rows of BOS and packed sentences, and as many of one or two sentences; with a mask of what counts (not BOS, not padding)."""
    rng = random.Random(seed)
    ids = {t: tokenizer.encode(t)[0] for t in facts.lexicon()}
    bos, rows, masks, total = tokenizer.bos_token_id, [], [], 0
    while total < n_tokens:
        long = rng.random() < 0.4
        row = [ids[t] for t in facts.document(rng, CONTEXT - 1, None if long else rng.choice([1, 2]))]
        total += len(row)
        rows.append([bos] + row + [bos] * (CONTEXT - 1 - len(row)))
        masks.append([False] + [True] * len(row) + [False] * (CONTEXT - 1 - len(row)))
    return torch.tensor(rows), torch.tensor(masks)


def collect(model, tokens, mask, hooks, batch=256):
    """{hook: [n, d_model]} over all positions in the mask."""
    out = {h: [] for h in hooks}
    for i in range(0, len(tokens), batch):
        acts = activations(model, tokens[i:i + batch], hooks)
        for h in hooks:
            out[h].append(acts[h][mask[i:i + batch]])
    return {h: torch.cat(out[h]) for h in hooks}
