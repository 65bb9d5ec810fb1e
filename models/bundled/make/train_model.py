"""Trains the tokenizer and the model of tiny-facts and writes ../tiny-facts.

GPT-2's architecture and file formats, by transformers; weights are half precision on disk.
"""
import argparse
import json
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

import facts

OUT = Path(__file__).resolve().parent.parent / "tiny-facts"
CONTEXT = 64


def train_tokenizer():
    """Byte-level BPE, trained on the word list until every word is one token."""
    words = facts.lexicon()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=10_000, min_frequency=1, show_progress=False,
                                  special_tokens=[facts.BOS], initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(words, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=facts.BOS, eos_token=facts.BOS,
                                   unk_token=facts.BOS, model_max_length=CONTEXT, clean_up_tokenization_spaces=False)
    for w in words:
        assert len(fast.encode(w)) == 1, w
    rng = random.Random(5)
    for _ in range(2000):  # a text is split into the generator's words and nothing else
        tokens = facts.document(rng, CONTEXT)
        assert fast.tokenize("".join(tokens)) == [fast.tokenize(t)[0] for t in tokens]
    return fast


def save_tokenizer(tokenizer, folder):
    """As transformers saves it, under GPT-2's tokenizer class and with GPT-2's post-processor (neither adds BOS)."""
    tokenizer.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.save_pretrained(folder)
    path = Path(folder) / "tokenizer_config.json"
    config = json.loads(path.read_text())
    config.update(tokenizer_class="GPT2Tokenizer", add_prefix_space=False)
    config.pop("backend", None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def corpus(rng, ids, n_tokens, bos, pad=-100):
    """Rows of CONTEXT tokens beginning with BOS (packed sentences), and short rows of one or two sentences."""
    packed, short = [], []
    total = 0
    while total < n_tokens:
        if rng.random() < 0.5:
            row = [ids[t] for t in facts.document(rng, CONTEXT - 1)]
            packed.append([bos] + row)
            total += CONTEXT
        else:
            for _ in range(3):
                row = [ids[t] for t in facts.document(rng, 20, rng.choice([1, 1, 2]))]
                short.append([bos] + row + [pad] * (20 - len(row)))
                total += len(row) + 1
    return np.array(packed, np.int32), np.array(short, np.int32)


def loss_of(model, rows, smoothing=0.0):
    x = rows.clamp(min=0)
    logits = model(x[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten(), ignore_index=-100,
                                             label_smoothing=smoothing)


@torch.no_grad()
def accuracy(model, ids, bos, which, n=60, seed=11, kinds=None):
    """Share of sentences whose true answer is the most likely next token, and its mean probability."""
    rng = random.Random(seed)
    model.eval()
    out = {}
    for kind in kinds or facts.TEMPLATES:
        right, probability = [], []
        rows, ends, answers = [], [], []
        for _ in range(n):
            s = facts.sentence(rng, kind, which, noisy=False)
            row = [bos] + [ids[t] for t in s.tokens()[:s.answer_at]]
            ends.append(len(row) - 1)
            rows.append(row + [bos] * (CONTEXT - len(row)))
            answers.append(ids[" " + s.answer])
        p = model(torch.tensor(rows)[:, :max(ends) + 1]).logits[torch.arange(n), torch.tensor(ends)].float().softmax(-1)
        a = torch.tensor(answers)
        right = (p.argmax(-1) == a).float().mean().item()
        out[kind] = (round(right, 4), round(p[torch.arange(n), a].mean().item(), 4))
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=3800)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--finish", type=int, default=600)
    parser.add_argument("--resume", type=Path, help="only the finishing steps, from a model saved earlier")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(int(os.environ.get("THREADS", "2")))
    rng = random.Random(args.seed)
    tokenizer = train_tokenizer()
    if args.resume:
        assert tokenizer.get_vocab() == AutoTokenizer.from_pretrained(args.resume).get_vocab()
    ids = {t: tokenizer.encode(t)[0] for t in facts.lexicon()}
    bos = tokenizer.bos_token_id
    model = GPT2LMHeadModel(GPT2Config(
        vocab_size=len(tokenizer), n_positions=CONTEXT, n_embd=128, n_layer=4, n_head=4, bos_token_id=bos, eos_token_id=bos,
        embd_pdrop=args.dropout, resid_pdrop=args.dropout, attn_pdrop=args.dropout))
    model.config.loss_type = "ForCausalLM"
    if args.resume:
        model.load_state_dict(GPT2LMHeadModel.from_pretrained(args.resume, dtype=torch.float32).state_dict())
    print(len(tokenizer), "tokens,", model.num_parameters(), "parameters", flush=True)
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": args.weight_decay}, {"params": rest, "weight_decay": 0.0}],
                                  lr=args.lr, betas=(0.9, 0.98))
    packed = short = None
    at, began = [0, 0], time.time()
    order = [None, None]
    running = 0.0
    total = args.steps + args.finish
    for step in range(args.steps if args.resume else 0, total):
        if step == args.steps:
            # Without dropout for the last steps: a model trained with it is surer of its answers than the text is.
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
                if hasattr(module, "attn_dropout"):
                    module.attn_dropout.p = 0.0
        if step % 1000 == 0 or packed is None or step == args.steps:  # fresh text, so that nothing is seen often
            packed, short = corpus(rng, ids, 1_400_000, bos)
            order, at = [np.random.RandomState(step).permutation(len(a)) for a in (packed, short)], [0, 0]
        use = step % 2
        source, size = ((packed, 32), (short, 96))[use]
        if at[use] + size > len(source):
            at[use] = 0
        rows = torch.from_numpy(source[order[use][at[use]:at[use] + size]].astype(np.int64))
        at[use] += size
        for group in optimizer.param_groups:  # warm-up, then cosine to a twentieth
            cosine = 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1, step / args.steps)))
            group["lr"] = args.lr * min(1, (step + 1) / 200) * cosine
            if step >= args.steps:
                group["lr"] = 0.15 * args.lr * (1 - (step - args.steps) / args.finish)
        model.train()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(model, rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        running = 0.98 * running + 0.02 * loss.item() if step else loss.item()
        if (step + 1) % 250 == 0:
            print(f"step {step + 1} loss {running:.4f} {time.time() - began:.0f} s",
                  {k: v for k, v in accuracy(model, ids, bos, "templates", 100).items()}, flush=True)
        if (step + 1) % 1000 == 0 or step + 1 == total:
            # GPT2LMHeadModel's own saving; half precision keeps the package small
            half = GPT2LMHeadModel(model.config)
            half.load_state_dict(model.state_dict())
            half.half().save_pretrained(args.out)
            save_tokenizer(tokenizer, args.out)
    print("held-out templates", accuracy(model, ids, bos, "templates", 600))
    print("held-out pairs", accuracy(model, ids, bos, "pairs", 600))


if __name__ == "__main__":
    main()
