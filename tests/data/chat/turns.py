"""Writes turns.json: which tokens of the chats in chats.json and conversations.json each message's content has.

    python turns.py        (needs transformers)

Contents, each of which stands once in its chat, are looked for in the text; a token belongs to one by the tokenizer's
own offsets. A turn is [role, first token, token after the last]; null in their place where the text has not the content.
"""
import json, os
from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))


def texts(content):
    return [content] if isinstance(content, str) else [part["text"] for part in content or [] if "text" in part]


def turns(tokenizer, case):
    text = case["text"]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    assert encoded["input_ids"] == case["tokens"]
    offsets = encoded["offset_mapping"]

    def span(start, end):
        own = [i for i, (a, b) in enumerate(offsets) if a < end and b > start]
        return [own[0], own[-1] + 1]

    out = []
    for i, message in enumerate(case["messages"]):
        found = [part.strip() for part in texts(message.get("content"))]
        if not found or any(part not in text for part in found):
            out.append([message["role"], None, None])
            continue
        assert all(text.count(part) == 1 for part in found)
        is_open = case.get("continue") and i == len(case["messages"]) - 1
        out.append([message["role"], *span(text.index(found[0]), len(text) if is_open else text.index(found[-1]) + len(found[-1]))])
    if case.get("continue"):
        return out
    prefix = case.get("prefix")
    end = len(case["tokens"])
    return out + [["assistant", *(span(len(text) - len(prefix), len(text)) if prefix else [end, end])]]


def main():
    chats = json.load(open(os.path.join(HERE, "chats.json")))
    entries = chats + [{"name": "conversations", **json.load(open(os.path.join(HERE, "conversations.json")))}]
    out = {}
    for entry in entries:
        file = os.path.join(HERE, "..", "models", entry["model"], "tokenizer.json")
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=file)
        out[entry["name"]] = [turns(tokenizer, case) if "text" in case else None for case in entry["cases"]]
    with open(os.path.join(HERE, "turns.json"), "w") as f:
        f.write("{" + ",\n".join(f"{json.dumps(name)}: {json.dumps(cases)}" for name, cases in out.items()) + "}\n")


main()
