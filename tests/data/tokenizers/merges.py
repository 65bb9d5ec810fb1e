"""merges.json: what transformers 5.23.0 makes of the vocab.json and merges.txt of two models here.

    python merges.py
"""

import json
import tempfile
from pathlib import Path

from transformers import AutoTokenizer

HERE = Path(__file__).parent
TEXTS = [
    "Hello <|endoftext|> wo\u0308rld 1234 don't",
    "  The   capital\n\n of  France, isn't it?  ",
    " DON'T 'S x's\r\n\ttab",
    "\u6771\u4eac\u30bf\u30ef\u30fc \U0001f600 na\u00efve caf\u00e9 e\u0301",
    "",
    " ",
]
# name: (whose tokenizer.json the files are taken from, config.json, tokenizer_config.json or None)
CASES = {
    "gpt2 by its model_type": ("gpt2", {"model_type": "gpt2"}, None),
    "gpt2 by its class": ("gpt2", {"model_type": "gpt_neo"}, {"tokenizer_class": "GPT2Tokenizer"}),
    "gpt2 with a space in front": ("gpt2", {"model_type": "gpt2"}, {"tokenizer_class": "GPT2TokenizerFast", "add_prefix_space": True}),
    "gpt2 with a token of its own": ("gpt2", {"model_type": "gpt2"}, {"tokenizer_class": "GPT2Tokenizer", "pad_token": "<pad>", "eos_token": " of"}),
    "qwen2 by its class": ("qwen2", {"model_type": "qwen2"}, {"tokenizer_class": "Qwen2Tokenizer"}),
    "qwen3 with a bos": ("qwen2", {"model_type": "qwen3"}, {"tokenizer_class": "Qwen2Tokenizer", "bos_token": "<s>"}),
}


def write_files(directory, model, config, tokenizer_config):
    bpe = json.loads((HERE.parent / "models" / model / "tokenizer.json").read_text())["model"]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in bpe["merges"]]
    (directory / "vocab.json").write_text(json.dumps(bpe["vocab"], ensure_ascii=False))
    (directory / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    (directory / "config.json").write_text(json.dumps(config))
    if tokenizer_config is not None:
        (directory / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))


def make(model, config, tokenizer_config):
    with tempfile.TemporaryDirectory() as directory:
        write_files(Path(directory), model, config, tokenizer_config)
        tokenizer = AutoTokenizer.from_pretrained(directory)
        ids = [tokenizer.encode(text, add_special_tokens=False) for text in TEXTS]
        special = {"bos": tokenizer.bos_token_id, "eos": tokenizer.eos_token_id, "pad": tokenizer.pad_token_id}
    return {"model": model, "config": config, "tokenizer_config": tokenizer_config, "ids": ids, "special": special}


if __name__ == "__main__":
    cases = {name: make(*case) for name, case in CASES.items()}
    (HERE / "merges.json").write_text(json.dumps({"texts": TEXTS, "cases": cases}, indent=1) + "\n")
