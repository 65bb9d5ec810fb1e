"""Writes other_files.json: what transformers 5.23 makes of added tokens that stand in other files than tokenizer.json.

    pip install tokenizers==0.23.3 transformers==5.23.0
    python make_other_files.py
"""
import json
import os
import tempfile

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

CORPUS = ["Tiger Woods plays the sport of golf", "the cat sat on the mat, the end"] * 3
TEXTS = [
    " Tiger Woods<extra_tok> plays [PAD]the sport<|im_start|> of", "<s>the  [MASK]  cat</s>", "THE cat <New> sat<tok>on",
    "the<image>end", "thethe the", "a b <extra_tok>  x", "<bos>[SEP]", "",
]


def base(kind):
    if kind == "bytes":
        t = Tokenizer(models.BPE())
        t.pre_tokenizer, t.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        t.train_from_iterator(CORPUS, trainers.BpeTrainer(
            vocab_size=290, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False))
    elif kind == "llama":
        t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        t.train_from_iterator(CORPUS, trainers.BpeTrainer(
            vocab_size=70, special_tokens=["<s>", "<unk>", "</s>"], show_progress=False))
    else:
        t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
        t.normalizer, t.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
        t.train_from_iterator(CORPUS, trainers.WordLevelTrainer(special_tokens=["[UNK]", "<s>"], show_progress=False))
        t.add_tokens([AddedToken("<tok>", normalized=True)])
    return t


def token(content, **settings):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True, **settings}


def written(content, **settings):
    return {"__type": "AddedToken", **token(content, **settings)}


def cases(size):
    yield "nothing", {}, None, None
    yield "added_tokens_decoder", {"bos_token": "<s>", "added_tokens_decoder": {
        str(size + 1): token("[PAD]"), str(size): token("<|im_start|>", rstrip=True)}}, None, None
    yield "added_tokens_decoder_changes", {"added_tokens_decoder": {"0": token("<s>", normalized=True, rstrip=True)}}, None, None
    yield "named", {"bos_token": "<bos>", "pad_token": "[PAD]", "mask_token": written("[MASK]", lstrip=True), "sep_token": "[SEP]"}, None, None
    yield "named_in_vocabulary", {"cls_token": "the", "unk_token": "a"}, None, None
    yield "additional", {"additional_special_tokens": ["<extra_tok>", "<|im_start|>"], "pad_token": "[PAD]"}, None, None
    yield "extra_names", {"extra_special_tokens": {"image_token": "<image>"}, "eos_token": "</s>"}, None, None
    yield "own_name", {"image_token": "<image>", "bos_token": "<bos>"}, None, None
    yield "split_special", {"split_special_tokens": True, "pad_token": "[PAD]"}, None, None
    yield "legacy", {"pad_token": "[SEP]"}, {"bos_token": "<bos>", "pad_token": token("[PAD]", rstrip=True),
        "additional_special_tokens": ["<extra_tok>"]}, {"[PAD]": size, "<New>": size + 1}
    yield "legacy_added", {}, None, {"<New>": size, "<extra_tok>": size + 1}
    yield "legacy_does_not_count", {"added_tokens_decoder": {str(size): token("[PAD]")}}, {"bos_token": "<bos>"}, {"<New>": size}
    yield "legacy_map", {}, {"mask_token": token("[MASK]", lstrip=True), "eos_token": "</s>"}, None


def main():
    made = []
    for kind in ["bytes", "llama", "words"]:
        tokenizer = base(kind)
        text = tokenizer.to_str()
        size = max(tokenizer.get_vocab(with_added_tokens=True).values()) + 1
        for name, config, special_map, added in cases(size):
            if kind == "words" and name == "added_tokens_decoder_changes":
                continue  # its first token is another one
            with tempfile.TemporaryDirectory() as directory:
                files = {"tokenizer.json": text, "tokenizer_config.json": json.dumps(config)}
                if special_map is not None:
                    files["special_tokens_map.json"] = json.dumps(special_map)
                if added is not None:
                    files["added_tokens.json"] = json.dumps(added)
                for file, content in files.items():
                    with open(os.path.join(directory, file), "w", encoding="utf-8") as f:
                        f.write(content)
                loaded = PreTrainedTokenizerFast.from_pretrained(directory)
                del files["tokenizer.json"]
                made.append({
                    "kind": kind, "name": name, "files": files, "bos": loaded.bos_token_id,
                    "ids": [loaded.encode(one, add_special_tokens=False) for one in TEXTS],
                })
    documents = {kind: json.loads(base(kind).to_str()) for kind in ["bytes", "llama", "words"]}
    with open(os.path.join(os.path.dirname(__file__), "other_files.json"), "w", encoding="utf-8") as f:
        json.dump({"tokenizers": documents, "texts": TEXTS, "cases": made}, f, separators=(",", ":"))


main()
