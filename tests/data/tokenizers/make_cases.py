"""Writes cases.json: tokenizers that other tools read wrongly, cut down to the tokens that their texts need.

    python make_cases.py DIRECTORY…     # each with tokenizer.json and cases.json, a list of {"text", "ids"}

What is left out changes nothing: Python's tokenizers 0.23.3 is asked again.
"""
import json
import os
import sys

from tokenizers import Tokenizer


def words_of(tokenizer, text):
    normalized = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    if tokenizer.pre_tokenizer is None:
        return [normalized]
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalized)]


def cut(document, words):
    model = document["model"]
    needed = {token["content"] for token in document["added_tokens"]} | {model.get("unk_token")}

    def is_needed(token):
        return token in needed or token.startswith("<0x") or any(token in word for word in words)

    if isinstance(model["vocab"], list):
        lowest = min(score for _, score in model["vocab"])
        model["vocab"] = [[t, s] if is_needed(t) or s == lowest else ["", 0] for t, s in model["vocab"]]
        return
    model["vocab"] = {token: i for token, i in model["vocab"].items() if is_needed(token)}
    if "merges" in model:
        pairs = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
        model["merges"] = [m for m in pairs if all(t in model["vocab"] for t in [*m, "".join(m)])]


def main():
    made = []
    for directory in sys.argv[1:]:
        with open(os.path.join(directory, "tokenizer.json"), encoding="utf-8") as f:
            document = json.load(f)
        with open(os.path.join(directory, "cases.json"), encoding="utf-8") as f:
            cases = json.load(f)
        tokenizer = Tokenizer.from_str(json.dumps(document))
        cut(document, [word for case in cases for word in words_of(tokenizer, case["text"])])
        tokenizer = Tokenizer.from_str(json.dumps(document))
        for case in cases:
            assert tokenizer.encode(case["text"], add_special_tokens=False).ids == case["ids"], (directory, case)
        made.append({"name": os.path.basename(directory.rstrip("/")), "tokenizer": document, "cases": cases})
    with open(os.path.join(os.path.dirname(__file__), "cases.json"), "w", encoding="utf-8") as f:
        json.dump(made, f, separators=(",", ":"))


main()
