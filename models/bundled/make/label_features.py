"""Names each feature after the generator's concept it fits best, with precision and recall.

A concept is a set of token positions (the generator knows what each word is there for).
A feature counts as active here from three tenths of its largest activation up: below that, ReLU
features fire weakly on much that has nothing to do with them.
Precision is the share of the positions where the feature is active at which the concept holds;
recall is the share of the concept's positions at which the feature is active.
The label is the concept with the highest recall among those with precision of at least 0.8,
or else the one with the highest precision-weighted F score.
Density is the share of positions with any activation at all.
"""
import argparse
import json
import random

import numpy as np
import scipy.sparse as sp
import torch

import facts
from common import (BUNDLED, CONTEXT, RESID_HOOKS, SAE_DIR, TRANSCODER, TRANSCODER_IN, activations, load_model)

ACTIVE_FROM = 0.3
LEAST = 8  # positions a concept or a feature needs to be counted at all


def annotated(tokenizer, n_tokens, seed):
    """Token rows like those the SAEs were trained on, and the concepts at every position."""
    rng = random.Random(seed)
    ids = {t: tokenizer.encode(t)[0] for t in facts.lexicon()}
    bos = tokenizer.bos_token_id
    rows, notes, total = [], [], 0
    while total < n_tokens:
        sentences = [None] if rng.random() < 0.6 else [None] * 12
        row, row_notes = [bos], [None]
        for number, _ in enumerate(sentences):
            s = facts.sentence(rng)
            tokens = s.tokens()
            for i, token in enumerate(tokens):
                if len(row) == CONTEXT:
                    break
                before = tokens[i - 1] if i else None
                row_notes.append(concepts(s, i, token, before, tokens[i - 2] if i > 1 else None, number, len(row)))
                row.append(ids[token])
        total += len(row) - 1
        rows.append(row + [bos] * (CONTEXT - len(row)))
        notes.append(row_notes)
    return torch.tensor(rows), notes


def concepts(s, i, token, before, before2, number, position):
    """All concepts at word i of the sentence: its own notes, token identities, and conjunctions of the two."""
    quoted = f'"{token.strip()}"'
    last = f'"{before.strip()}"' if before else "the sentence's start"
    kind = s.kind
    own = set(s.notes[i])
    out = set(own)
    out.add(quoted)
    out.add(f"after {last}")
    out.add(f"{quoted} after {last}")
    if before2:
        out.add(f'{quoted} after "{before2.strip()} {before.strip()}"')
        out.add(f'two after "{before2.strip()}"')
    out.add(f"{quoted} about {kind}")
    out.add("in the first sentence" if number == 0 else "in a later sentence")
    out.add(f"{quoted} in the first sentence" if number == 0 else f"{quoted} in a later sentence")
    out.add(f"position {position}" if position <= 12 else f"position {position // 8 * 8} to {position // 8 * 8 + 7}")
    if position > 12:
        out.add("position 13 or later")
    if i == 0:
        out.add("the first word of a sentence")
        out.add(f"the first word of a sentence about {kind}")
    for name in facts.CLASSES.get(token.strip(), ()):
        out.add(name)
        out.add(f"{name} about {kind}")
        out.add(f"{name} after {last}")
        if i == 0:
            out.add(f"{name} at the start")
    if before:
        for name in facts.CLASSES.get(before.strip(), ()):
            out.add(f"after {name}")
            out.add(f"after {name} about {kind}")
            out.add(f"{quoted} after {name}")
    if s.answer_at is not None:
        if i < s.answer_at:
            for note in own:
                if note.startswith("after ") or "subject" in note:
                    out.add(f"{quoted} {note}")
            out.add(f"before the answer about {kind}")
            left = s.answer_at - i
            if left <= 3:
                out.add(f"{left} before the answer about {kind}")
        elif i == s.answer_at:
            out.add(f"the answer {quoted}")
            out.add(f"the answer {quoted} ({kind})")
        else:
            out.add("after the answer")
            out.add(f"after the answer about {kind}")
        if s.answer_at is not None and i == s.answer_at - 1:
            out.add(f"the answer comes next after {quoted}")
            out.add(f"the answer {s.answer} comes next after {quoted}")
            out.add(f"the answer {s.answer} comes next ({kind})")
            for name in facts.CLASSES.get(s.answer, ()):
                out.add(f"{name} comes next")
    return out


@torch.no_grad()
def encode_all(model, sae, hook_in, tokens, notes, batch=128):
    """A sparse matrix [position, feature] of activations over all annotated positions."""
    blocks = []
    for i in range(0, len(tokens), batch):
        acts = activations(model, tokens[i:i + batch], [hook_in])[hook_in]
        mask = torch.tensor([[0 < j < len(n) for j in range(CONTEXT)] for n in notes[i:i + batch]])
        blocks.append(sp.csr_matrix(sae.encode(acts[mask]).numpy()))
    return sp.vstack(blocks).tocsr()


def concept_matrix(notes):
    index, rows, cols, n = {}, [], [], 0
    for row in notes:
        for here in row[1:]:
            for c in here:
                rows.append(n)
                cols.append(index.setdefault(c, len(index)))
            n += 1
    matrix = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, cols)), shape=(n, len(index)))
    counts = np.asarray(matrix.sum(0)).ravel()
    keep = np.flatnonzero(counts >= LEAST)
    names = sorted(index, key=index.get)
    return matrix[:, keep].tocsr(), [names[k] for k in keep]


def labels_for(features, concepts_at, names):
    fired = np.asarray((features > 0).sum(0)).ravel()
    largest = features.max(0).toarray().ravel()
    active = features.copy()
    active.data = (active.data >= ACTIVE_FROM * largest[active.indices]).astype(np.float32)
    active.eliminate_zeros()
    both = (active.T @ concepts_at).tocsr()  # [feature, concept]
    n_active = np.asarray(active.sum(0)).ravel()
    n_concept = np.asarray(concepts_at.sum(0)).ravel()
    out, used = {}, set()
    for f in range(active.shape[1]):
        if fired[f] < 1:
            out[str(f)] = {"label": "dead", "precision": 0, "recall": 0, "density": 0}
            continue
        row = both.getrow(f)
        precision = row.data / n_active[f]
        recall = row.data / n_concept[row.indices]
        score = 1.0625 * precision * recall / (0.0625 * precision + recall)  # F with beta 1/4
        good = precision >= 0.8
        best = np.argmax(np.where(good, recall, -1)) if good.any() else np.argmax(score)
        name = names[row.indices[best]]
        used.add(name)
        out[str(f)] = {"label": name, "precision": round(float(precision[best]), 3), "recall": round(float(recall[best]), 3),
                       "density": round(float(fired[f] / active.shape[0]), 5)}
    return {"concepts": sorted(used), "features": out}


def main():
    from sae_lens import SAE
    parser = argparse.ArgumentParser()
    parser.add_argument("hooks", nargs="*", default=RESID_HOOKS + [TRANSCODER])
    parser.add_argument("--tokens", type=int, default=120_000)
    args = parser.parse_args()
    model, tokenizer = load_model()
    tokens, notes = annotated(tokenizer, args.tokens, seed=31)
    matrix, names = concept_matrix(notes)
    print(matrix.shape[0], "positions,", len(names), "concepts", flush=True)
    for hook in args.hooks:
        sae = SAE.load_from_disk(SAE_DIR / hook, device="cpu")
        features = encode_all(model, sae, TRANSCODER_IN if hook == TRANSCODER else hook, tokens, notes)
        labels = labels_for(features, matrix, names)
        (SAE_DIR / hook / "labels.json").write_text(json.dumps(labels, separators=(",", ":"), ensure_ascii=False) + "\n")
        p = np.array([v["precision"] for v in labels["features"].values() if v["label"] != "dead"])
        print(hook, len(p), "live features;", f"{(p >= 0.8).mean():.2f} of them with precision of 0.8 or more", flush=True)


if __name__ == "__main__":
    main()
