"""Greedy continuations by transformers 5.23 in float32, for tests/model/generate/greedy.test.ts.

    python tests/data/generate/make.py            the tiny models of every family, to greedy.json
    python tests/data/generate/make.py MODEL_DIR   ten prompts of a real model, to standard output

`margin` is the smallest distance between the best and the second logit on the way: what is near it is no tie.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

HERE = Path(__file__).parent
MODELS = HERE.parent / "models"
NEW_TOKENS = 64
CONTEXT = 64  # of the tiny models: the last token is generated, and not read
PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a village by the sea,",
    "def fibonacci(n):\n",
    "The three laws of thermodynamics are:",
    "Q: What is the boiling point of water?\nA:",
    "Dear Sir or Madam,\n",
    "1, 1, 2, 3, 5, 8,",
    "Im Jahre 1815 wurde",
    "The recipe needs flour, sugar,",
    "In machine learning, a sparse autoencoder is",
]


@torch.no_grad()
def greedy(model, ids, count):
    out = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=False,
        max_new_tokens=count,
        eos_token_id=None,
        pad_token_id=0,
        output_scores=True,
        return_dict_in_generate=True,
    )
    tops = [score[0].topk(2).values for score in out.scores]
    margin = min(float(top[0] - top[1]) for top in tops)
    return {"prompt": ids, "tokens": out.sequences[0, len(ids) :].tolist(), "margin": margin}


def load(directory):
    return AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()


def tiny(directory):
    model = load(directory)
    vocabulary = model.config.get_text_config().vocab_size
    generator = torch.Generator().manual_seed(1)
    prompts = [torch.randint(3, vocabulary, (n,), generator=generator).tolist() for n in (1, 1, 20, 40)]
    return [greedy(model, ids, min(NEW_TOKENS, CONTEXT - len(ids) + 1)) for ids in prompts]


def real(directory):
    model, tokenizer = load(directory), AutoTokenizer.from_pretrained(directory)
    return [greedy(model, tokenizer(text, add_special_tokens=False).input_ids, NEW_TOKENS) for text in PROMPTS]


if len(sys.argv) > 1:
    json.dump(real(Path(sys.argv[1])), sys.stdout)
else:
    found = {path.name: tiny(path) for path in sorted(MODELS.iterdir()) if (path / "config.json").exists()}
    lines = [f"  {json.dumps(name)}: {json.dumps(cases)}" for name, cases in found.items()]
    (HERE / "greedy.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
