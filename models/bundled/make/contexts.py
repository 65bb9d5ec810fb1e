"""Where each feature is active: a histogram of its activations and the texts in which it is strongest.

The texts are those that the labels were found on, so that densities agree. Of the strongest positions, those with the
same token after the same two tokens count once. Written gzipped beside the weights: `contexts.json.gz`, with token ids
and activations in hundredths of the feature's largest.
"""
import argparse
import gzip
import json

import numpy as np

from common import RESID_HOOKS, SAE_DIR, TRANSCODER, TRANSCODER_IN, load_model
from label_features import annotated, encode_all

CONTEXTS = 6
BEFORE, AFTER = 9, 3
BINS = 24
FAINT = 0.05  # of the largest: weaker positions are no context


def places(tokens, notes):
    """(row, column) of every position that `encode_all` gives a row, in its order."""
    return [(i, j) for i, row in enumerate(notes) for j in range(1, len(row))]


def strongest(column, value, ids, where):
    """The strongest positions of one feature, no two alike: [(row, column)]."""
    found, seen = [], set()
    least = FAINT * column.data.max()
    for n in column.indices[np.argsort(-column.data, kind="stable")]:
        if value[n] < least:
            break
        row, at = where[n]
        alike = tuple(ids[row][max(0, at - 2):at + 1])
        if alike in seen:
            continue
        seen.add(alike)
        found.append((row, at))
        if len(found) == CONTEXTS:
            break
    return found


def feature_entry(column, ids, where, index, lengths, n):
    largest = float(column.data.max())
    value = dict(zip(column.indices.tolist(), column.data.tolist()))
    histogram = np.histogram(column.data, bins=BINS, range=(0, largest))[0]
    contexts = []
    for row, at in strongest(column, value, ids, where):
        start, end = max(1, at - BEFORE), min(lengths[row], at + AFTER + 1)
        levels = [round(100 * value.get(index[row, j], 0.0) / largest) for j in range(start, end)]
        while levels[-1] == 0:
            levels.pop()
        contexts.append([ids[row][start:end], levels, round(value[index[row, at]], 4)])
    return {"density": round(len(column.data) / n, 6), "largest": round(largest, 4),
            "histogram": histogram.tolist(), "contexts": contexts}


def main():
    from sae_lens import SAE
    parser = argparse.ArgumentParser()
    parser.add_argument("hooks", nargs="*", default=RESID_HOOKS + [TRANSCODER])
    parser.add_argument("--tokens", type=int, default=120_000)
    args = parser.parse_args()
    model, tokenizer = load_model()
    tokens, notes = annotated(tokenizer, args.tokens, seed=31)
    where = places(tokens, notes)
    index = {place: n for n, place in enumerate(where)}
    ids, lengths = tokens.tolist(), [len(row) for row in notes]
    for hook in args.hooks:
        sae = SAE.load_from_disk(SAE_DIR / hook, device="cpu")
        features = encode_all(model, sae, TRANSCODER_IN if hook == TRANSCODER else hook, tokens, notes).tocsc()
        entries = {}
        for f in range(features.shape[1]):
            column = features.getcol(f)
            column.sum_duplicates()
            if column.nnz:
                entries[str(f)] = feature_entry(column, ids, where, index, lengths, len(where))
        text = json.dumps({"tokens": len(where), "features": entries}, separators=(",", ":"))
        (SAE_DIR / hook / "contexts.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
        print(hook, len(entries), "features", len(text), "bytes as JSON", flush=True)


if __name__ == "__main__":
    main()
