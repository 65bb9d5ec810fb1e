"""Writes scores.json: numbers as text, and as tokenizers 0.23.3 (serde_json) reads them: python make_scores.py."""
import json
import os
import random

from tokenizers import Tokenizer

r = random.Random(1)
texts = [repr(r.uniform(-20, 0)) for _ in range(200)] + [repr(-r.random() * 10 ** r.randint(-30, 10)) for _ in range(100)]
texts += ["0", "-3", "-1e-5", "2.5E+3", "-12345678901234567890.5", "-0.000000000000000000001234567890123456789", "-5e-324",
          "-1.7976931348623157e308", "-123456789012345678901234567890", "18446744073709551616", "0.18446744073709551615"]
vocab = ",".join(f'["t{i}",{text}]' for i, text in enumerate(texts))
read = json.loads(Tokenizer.from_str('{"model":{"type":"Unigram","unk_id":0,"vocab":[%s]}}' % vocab).to_str())
made = [[text, score] for text, (_, score) in zip(texts, read["model"]["vocab"])]
with open(os.path.join(os.path.dirname(__file__), "scores.json"), "w") as f:
    json.dump(made, f, separators=(",", ":"))
