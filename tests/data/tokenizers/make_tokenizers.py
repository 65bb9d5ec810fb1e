"""Trains one tokenizer of every kind and writes what Python's tokenizers 0.23.3 makes of many texts.

    pip install tokenizers==0.23.3 sentencepiece==0.2.3
    python make_tokenizers.py --texts 24 --vocabulary 400 kinds      # what the repository holds
    python make_tokenizers.py --texts 2000 --vocabulary 2000 DIRECTORY   # the whole comparison: compare.ts DIRECTORY

Of each kind: NAME.json with the tokenizer, the ids of every text and the text of every id that occurs (null where the
library gives up), and texts.json.
"""
import argparse
import base64
import io
import json
import os
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ENGLISH = """Tiger Woods plays the sport of golf, and Roger Federer plays tennis. The cat sat on the mat; it didn't move,
they'll say we've seen it, I'm sure you're right: he'd know. Once upon a time there was a small town by the sea where
people spoke of nothing but the weather and the price of fish. In 1984, 3.14159 and 10,000,000 were numbers like others.
"It's", she said, "neither here nor there!" The quick brown fox jumps over the lazy dog again and again and again.
def main(args): return [x ** 2 for x in range(10) if x % 3 == 0]  # a comment
    if (a != b && c <= d) { printf("%s\\n", s); }\tfor (let i = 0; i < n; i++) {}
<div class="a">&amp;</div> https://example.com/a?b=c&d=e#f foo_bar-baz@example.org CamelCaseWord SCREAMING_SNAKE"""
OTHER = """Der Fluss fließt über die Straße nach Zürich. Où est l'été ? Ça coûte 5 €. El niño comió piñas. Łódź, Kraków.
Привет, мир! Как дела? Γειά σου Κόσμε, ΟΔΟΣ οδός. שלום עולם. مرحبا بالعالم ١٢٣. नमस्ते दुनिया १२३. สวัสดีชาวโลก ๑๒๓.
日本語のテキスト、カタカナとひらがな。中文字符，没有空格。한국어 문장입니다. İstanbul'da ılık. Việt Nam xin chào."""
SPACES = ["\t", "\n", "\v", "\f", "\r", "\r\n", " ", "  ", "   ", "    ", "\u0085", "\u00a0", "\u1680", "\u2003",
          "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\ufeff", "\u200b", "\u200d", "\u180e", "\n\n", "\n\n\n", " \n "]
NUMBERS = ["½", "²", "¾", "Ⅷ", "①", "٣٤", "१२", "๕", "㊿", "𝟙𝟚", "៣", "〇", "1234567", "0.5", "1,000", "៥", "௧", "⅓", "፳", "𑇞"]
ODD = ["é", "e\u0301", "ﬁ", "ﬆ", "ſ", "K", "Å", "ǅ", "İ", "ı", "ß", "ẞ", "Σ", "ς", "ΑΣ", "👩‍👩‍👧", "🏽", "🙂", "🇩🇪", "❤️", "\u0300", "a\u0323\u0301",
       "각", "각", "\u1100\u1161\u11a8", "ㅎ", "Ａ", "㍿", "℡", "…", "—", "„", "“", "«", "¿", "·", "‐", "\u00ad", "\u0000", "\u0001", "\u007f",
       "\ufffd", "\ue000", "\U0010ffff", "\u0378", "\U000e0001", "क्ष", "த்", "𓀀", "𠀀", "\U00016ea0", "\ua7d2", "\u1ac5", "ʼn", "ﷺ", "Ω", "ꭰ",
       "$&", "$1", "\\n", "<0x0A>", "▁", "Ġ", "##ing", "@@", "</w>", "[UNK]", "<unk>", "<s>", "</s>", "<|endoftext|>", "[MASK]", "<extra>",
       "'S", "'ſ", "'LL", "don'T", "'re", "''", "\"", "[", "]", "{", "}", "_", "__", "|", "~", "+", "=", "<", "^", "`"]


def make_texts(count, seed=7):
    r = random.Random(seed)
    words = ENGLISH.split(" ") + OTHER.split(" ")
    lines = ENGLISH.split("\n") + OTHER.split("\n")

    def character():
        top = r.choice([0x80, 0x250, 0x800, 0x3000, 0x10000, 0x20000, 0x110000])
        while True:
            c = r.randrange(top)
            if not 0xD800 <= c < 0xE000:
                return chr(c)

    def piece():
        return r.choice([
            lambda: r.choice(words) + " ", lambda: " " + r.choice(words), lambda: r.choice(words), lambda: r.choice(SPACES),
            lambda: r.choice(NUMBERS), lambda: r.choice(ODD), lambda: r.choice(ODD), character,
            lambda: r.choice(words).upper(), lambda: r.choice("!?.,;:-'\"()#$%&*/@") * r.randint(1, 3),
        ])()

    texts = ["", " ", "a", "  a", "Hello world", *lines, *ODD[:20], *SPACES]
    while len(texts) < count:
        texts.append("".join(piece() for _ in range(r.randint(1, 14))))
    r.shuffle(texts)
    return texts[:count]


def bpe(**settings):
    return Tokenizer(models.BPE(**settings))


def train(tokenizer, size, special=(), alphabet=(), **settings):
    kind = type(tokenizer.model).__name__
    trainer = {"BPE": trainers.BpeTrainer, "Unigram": trainers.UnigramTrainer, "WordPiece": trainers.WordPieceTrainer,
               "WordLevel": trainers.WordLevelTrainer}[kind]
    if kind != "WordLevel" and alphabet:
        settings["initial_alphabet"] = list(alphabet)
    corpus = (ENGLISH + "\n" + OTHER).split("\n") * 3 + [" ".join(NUMBERS)] + [" the", "ing", "ﬁ ss"]
    tokenizer.train_from_iterator(corpus, trainer(vocab_size=size, special_tokens=list(special), show_progress=False, **settings))
    return tokenizer


def document(tokenizer):
    return json.loads(tokenizer.to_str())


def changed(tokenizer, change):
    made = document(tokenizer)
    change(made)
    return made


P, N, D = pre_tokenizers, normalizers, decoders
BYTES = P.ByteLevel.alphabet()
END = ["<|endoftext|>"]
BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
GPT4O = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
         r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
LLAMA_DECODER = [D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)]
BYTE_TOKENS = [f"<0x{b:02X}>" for b in range(256)]


def byte_level(size, pre, normalizer=None, special=END, **settings):
    t = bpe(**settings)
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer, t.decoder, t.post_processor = pre, D.ByteLevel(), processors.ByteLevel(trim_offsets=False)
    return train(t, size, special, BYTES)


def sentence_bpe(size, normalizer, pre, decoder=None, bytes_there=BYTE_TOKENS, **settings):
    t = bpe(unk_token="<unk>", **{"fuse_unk": True, "byte_fallback": True, **settings})
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.decoder = decoder or D.Sequence(LLAMA_DECODER)
    made = train(t, size + 256, ["<unk>", "<s>", "</s>", *bytes_there])
    return changed(made, lambda d: d.update(added_tokens=d["added_tokens"][:3]))


def unigram(size, normalizer=None, pre=None, decoder=None, **settings):
    t = Tokenizer(models.Unigram())
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    if decoder:
        t.decoder = decoder
    return train(t, size, ["<unk>", "<s>", "</s>"], unk_token="<unk>", **settings)


def with_bytes(tokenizer):
    def change(d):
        d["model"]["byte_fallback"] = True
        d["model"]["vocab"] += [[token, -20.0] for token in BYTE_TOKENS]
    return changed(tokenizer, change)


def word_level(size, pre, normalizer=None, added=()):
    t = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    train(t, 20 * size, ["[UNK]", "[PAD]"])
    t.add_tokens(list(added))
    return t


def word_piece(size, normalizer, pre, prefix="##", **settings):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", continuing_subword_prefix=prefix, **settings))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer, t.decoder = pre, D.WordPiece(prefix=prefix)
    return train(t, size, ["[UNK]", "[CLS]", "[SEP]", "[MASK]"], continuing_subword_prefix=prefix)


def characters(size, normalizer, pre=None):
    """Every character that the corpus or the texts have is a token: shows what a normalizer makes."""
    t = bpe(unk_token="<unk>")
    t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    alphabet = sorted(set("".join(normalizer.normalize_str(s) for s in [ENGLISH, OTHER, *ODD, *NUMBERS, *SPACES])))
    return train(t, size + len(alphabet), ["<unk>", "<s>"], alphabet)


def split_kind(size, pattern, behavior, invert):
    return word_level(size, P.Split(pattern, behavior, invert))


def charsmap(rules):
    import sentencepiece
    model = io.BytesIO()
    corpus = iter((ENGLISH + "\n" + OTHER).split("\n"))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus, model_writer=model, vocab_size=220, model_type="unigram", minloglevel=2, **rules)
    return precompiled_field(model.getvalue())


def precompiled_field(model):
    """normalizer_spec (field 3) . precompiled_charsmap (field 2) of the protocol buffer."""
    def fields(data):
        at = 0
        def varint():
            nonlocal at
            value = shift = 0
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    return value
        while at < len(data):
            key = varint()
            if key & 7 == 2:
                length = varint()
                yield key >> 3, data[at:at + length]
                at += length
            elif key & 7 == 0:
                varint()
            else:
                at += 4 if key & 7 == 5 else 8
    spec = next(value for number, value in fields(model) if number == 3)
    return next(value for number, value in fields(spec) if number == 2)


def small_rules():
    path = "/tmp/charsmap_rules.tsv"
    with open(path, "w", encoding="utf-8") as f:
        for a, b in [("ﬁ", "fi"), ("½", "1⁄2"), ("e\u0301", "é"), ("\u00ad", ""), ("Ａ", "A"), ("①", "1"), ("\t", " "), ("\n", " "),
                     ("ㅎ", "ᄒ"), ("\u1100\u1161", "\uac00"), ("\u0130", "i\u0307"), ("…", "..."), ("\u3000", " "), ("\ufeff", ""), ("ß", "ss"), ("𝟙", "1"), ("\u212a", "K")]:
            hexes = lambda s: " ".join(f"{ord(c):X}" for c in s)
            f.write(f"{hexes(a)}\t{hexes(b)}\n")
    return {"normalization_rule_tsv": path}


ADDED = [
    AddedToken("<extra>", special=True), AddedToken("[MASK]", lstrip=True), AddedToken("the", single_word=True),
    AddedToken("Cat", normalized=True), AddedToken("  ", normalized=False), AddedToken("<s>", rstrip=True, lstrip=True),
    AddedToken("é", normalized=True, single_word=True), AddedToken("<", normalized=False), AddedToken("'LL", rstrip=True, normalized=True),
]


def with_added(tokenizer, added=ADDED):
    tokenizer.add_tokens(list(added))
    return tokenizer


def kinds(size, is_small):
    s = size
    yield "bpe-gpt2", lambda: byte_level(s, P.ByteLevel(add_prefix_space=False))
    yield "bpe-gpt2-prefix-space", lambda: byte_level(s, P.ByteLevel(add_prefix_space=True))
    yield "bpe-bytes-no-regex", lambda: byte_level(s, P.ByteLevel(add_prefix_space=False, use_regex=False))
    yield "bpe-llama3", lambda: changed(byte_level(s, P.Sequence([P.Split(Regex(LLAMA3), "isolated"), P.ByteLevel(False, use_regex=False)])),
                                        lambda d: d["model"].update(ignore_merges=True))
    yield "bpe-qwen2", lambda: byte_level(s, P.Sequence([P.Split(Regex(LLAMA3.replace("{1,3}", "")), "isolated"), P.ByteLevel(False, use_regex=False)]), N.NFC())
    yield "bpe-gpt4o", lambda: byte_level(s, P.Sequence([P.Split(Regex(GPT4O), "removed", invert=True), P.ByteLevel(False, use_regex=False)]))
    yield "bpe-deepseek", lambda: byte_level(s, P.Sequence([
        P.Split(Regex(r"[\r\n]"), "isolated"), P.Split(Regex(r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-Ֆა-ჺჽ-ჿᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕ]+"), "isolated"),
        P.Split(Regex(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"), "isolated"), P.Split(Regex(r"\s+$"), "isolated"),
        P.Split(Regex(r"[一-龥ࠀ-一가-퟿]+"), "isolated"), P.Digits(individual_digits=True), P.ByteLevel(False, use_regex=False)]))
    yield "bpe-smollm", lambda: byte_level(s, P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(False)]))
    yield "bpe-falcon", lambda: byte_level(s, P.Sequence([P.Punctuation("contiguous"), P.ByteLevel(False), P.Digits(False), P.Split(Regex("[0-9][0-9][0-9]"), "isolated")]))
    yield "bpe-clip", lambda: byte_level(s, P.Sequence([P.Split(Regex(CLIP), "removed", invert=True), P.ByteLevel(False)]),
                                         N.Sequence([N.NFC(), N.Replace(Regex(r"\s+"), " "), N.Lowercase()]), END, end_of_word_suffix="</w>")
    yield "bpe-neox-added-spaces", lambda: with_added(byte_level(s, P.ByteLevel(False), N.NFC()), [AddedToken(" " * n, normalized=True) for n in range(8, 1, -1)] + ADDED[:4])
    yield "bpe-bytes-normalizer", lambda: byte_level(s, P.Split(Regex(r"Ġ[A-Za-z]+|."), "isolated"), N.ByteLevel())
    yield "bpe-llama2", lambda: sentence_bpe(s, N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")]), None)
    yield "bpe-gemma", lambda: sentence_bpe(s, N.Replace(" ", "▁"), P.Split(" ", "merged_with_previous"), D.Sequence(LLAMA_DECODER[:3]))
    yield "bpe-mistral-first", lambda: sentence_bpe(s, None, P.Metaspace("▁", "first", False))
    yield "bpe-metaspace-always", lambda: sentence_bpe(s, None, P.Metaspace("▁", "always", True), D.Metaspace("▁", "always"))
    yield "bpe-metaspace-never", lambda: sentence_bpe(s, None, P.Metaspace("▁", "never", True), D.Metaspace("▁", "never"))
    yield "bpe-some-bytes", lambda: sentence_bpe(s, None, P.Metaspace(), bytes_there=BYTE_TOKENS[100:230])
    yield "bpe-unknown-fused", lambda: sentence_bpe(s, None, P.Metaspace(), bytes_there=[], byte_fallback=False)
    yield "bpe-unknown-single", lambda: sentence_bpe(s, None, P.Metaspace(), bytes_there=[], byte_fallback=False, fuse_unk=False)
    yield "bpe-unknown-dropped", lambda: changed(train(bpe(), s), lambda d: d.update(pre_tokenizer={"type": "WhitespaceSplit"}))
    yield "bpe-suffix", lambda: openai_gpt(s)
    yield "bpe-prefix", lambda: prefixed_bpe(s)
    yield "bpe-first-added", lambda: with_added_first(s, N.Sequence([N.Strip(), N.NFKD()]))
    yield "bpe-first-prepend", lambda: with_added_first(s, N.Sequence([N.Replace("<", ""), N.Prepend("a")]))
    yield "bpe-first-after-digits", lambda: changed(train(bpe(unk_token="<unk>"), s, ["<unk>"]), lambda d: d.update(
        normalizer=json.loads(N.NFKD().__getstate__()), pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}]}))
    yield "unigram-plain", lambda: unigram(s)
    yield "unigram-metaspace", lambda: unigram(s, N.Sequence([N.Nmt(), N.NFKC(), N.Replace(Regex(" {2,}"), " ")]), P.Metaspace(), D.Metaspace())
    yield "unigram-bytes", lambda: with_bytes(unigram(s, None, P.Metaspace("▁", "always", False), D.Sequence(LLAMA_DECODER)))
    yield "unigram-whitespace", lambda: unigram(s, None, P.Sequence([P.WhitespaceSplit(), P.Metaspace()]), D.Metaspace())
    yield "unigram-ties", lambda: changed(unigram(s, None, P.Metaspace()), lambda d: d["model"].update(vocab=[[t, round(v)] for t, v in d["model"]["vocab"]]))
    yield "unigram-no-unknown", lambda: changed(unigram(s, None, P.Metaspace()), lambda d: (d["model"].update(unk_id=None), d.update(added_tokens=[])))
    yield "unigram-charsmap-small", lambda: unigram(s, N.Sequence([N.Precompiled(charsmap(small_rules())), N.Replace(Regex(" {2,}"), " ")]), P.Metaspace(), D.Metaspace())
    yield "unigram-charsmap-first", lambda: unigram(s, N.Precompiled(charsmap(small_rules())), P.Sequence([P.Digits(True), P.Metaspace("▁", "first")]))
    if not is_small:
        yield "unigram-t5", lambda: unigram(s, N.Precompiled(charsmap({"normalization_rule_name": "nmt_nfkc"})), P.Sequence([P.WhitespaceSplit(), P.Metaspace()]), D.Metaspace())
        yield "unigram-albert", lambda: unigram(s, N.Sequence([N.Replace("``", '"'), N.NFKD(), N.StripAccents(), N.Lowercase(), N.Precompiled(charsmap({"normalization_rule_name": "nmt_nfkc_cf"}))]), P.Metaspace(), D.Metaspace())
        yield "characters-nmt-nfkc", lambda: characters(s, N.Precompiled(charsmap({"normalization_rule_name": "nmt_nfkc"})))
    yield "wordpiece-bert-uncased", lambda: word_piece(s, N.BertNormalizer(), P.BertPreTokenizer())
    yield "wordpiece-bert-cased", lambda: word_piece(s, N.BertNormalizer(lowercase=False), P.BertPreTokenizer())
    yield "wordpiece-whitespace", lambda: word_piece(s, N.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False), P.Whitespace(), max_input_chars_per_word=6)
    yield "wordpiece-prefix", lambda: word_piece(s, N.Sequence([N.NFD(), N.StripAccents(), N.Lowercase()]), P.Whitespace(), "@@")
    yield "words-whitespace", lambda: word_level(s, P.Whitespace())
    yield "words-whitespace-split", lambda: word_level(s, P.WhitespaceSplit())
    yield "words-no-unknown", lambda: changed(word_level(s, P.Whitespace()), lambda d: d["model"].update(unk_token="<none>"))
    yield "words-digits", lambda: word_level(s, P.Sequence([P.WhitespaceSplit(), P.Digits(False)]))
    yield "words-delimiter", lambda: word_level(s, P.CharDelimiterSplit("e"))
    yield "words-fixed-length", lambda: word_level(s, P.FixedLength(3))
    yield "words-bert", lambda: word_level(s, P.BertPreTokenizer())
    for behavior in BEHAVIORS:
        yield f"words-punctuation-{behavior}", lambda b=behavior: word_level(s, P.Sequence([P.WhitespaceSplit(), P.Punctuation(b)]))
        yield f"words-split-{behavior}", lambda b=behavior: split_kind(s, Regex(r"\s|[aeiou]{2}"), b, False)
        yield f"words-split-{behavior}-inverted", lambda b=behavior: split_kind(s, Regex(r"\w+|[!?.]"), b, True)
        yield f"words-split-{behavior}-text", lambda b=behavior: split_kind(s, "e", b, False)
        yield f"words-split-{behavior}-maybe-empty", lambda b=behavior: split_kind(s, Regex(r"[a-m]*"), b, False)
    for name, normalizer in [("nfc", N.NFC()), ("nfd", N.NFD()), ("nfkc", N.NFKC()), ("nfkd", N.NFKD()), ("lowercase", N.Lowercase()), ("accents", N.Sequence([N.NFD(), N.StripAccents()])),
                             ("strip-left", N.Strip(True, False)), ("strip-right", N.Strip(False, True)), ("strip", N.Strip()), ("nmt", N.Nmt()), ("bert", N.BertNormalizer()),
                             ("replace", N.Sequence([N.Replace("e", "$&"), N.Replace(Regex(r"(\w)\.|[\s&&[^\n]]+"), "$1\\0")]))]:
        yield f"characters-{name}", lambda n=normalizer: characters(s, n)
    yield "added", lambda: with_added(word_level(s, P.Whitespace()))
    yield "added-lowercase", lambda: with_added(word_level(s, P.Whitespace(), N.Lowercase()))
    yield "added-prepend", lambda: with_added(word_level(s, P.Whitespace(), N.Sequence([N.NFKC(), N.Prepend("x")])))
    for name, token in [("right", AddedToken(" ", rstrip=True)), ("both", AddedToken(" ", lstrip=True, rstrip=True))]:
        more = [token, AddedToken("\n", lstrip=True), AddedToken("\t", normalized=True)]
        yield f"added-space-{name}", lambda m=more: with_added(word_level(s, P.Whitespace(), N.NFKC()), m)
    for number, pattern in enumerate(REGEXES):
        yield f"regex-{number:02}", lambda p=pattern: split_kind(s, Regex(p), "isolated", False)


REGEXES = [
    r"(?<=[a-z])[A-Z]|(?<![\p{L}])\d+", r"\p{Lu}\p{Ll}*+|[^\p{L}]++", r"(?>\p{N}+)(?!\.)|a*?b", r"\b\w+\b|\B.", r"[\p{L}&&[^aeiou]]+|[^\w\s&&[^!?]]",
    r"^\w+|\s+$|\A.|.\z", r"(?:ab|c|[d-f])+|(?:the|a){1,2}?x?", r"[[:alpha:]]+|[[:punct:]]|[^[:space:]]", r"(?m:.\n)|.{2,3}", r"\h{2}|\x41|\u00e9|\x{1F642}",
    r"(?i:the|'[sdmt]|ll|ve|re)|[\p{Han}\p{Hiragana}\p{Katakana}]+|\p{Arabic}+", r"\P{L}+|\p{^Lu}", r"[\-\]a]|[^\S\n]+|[-.]", r"(?=\d)|(?<=\d)", r"\s?[^\s]{,3}", r"(?i)[a-z]+'?[a-z]*|\d",
]


def openai_gpt(size):
    t = bpe(unk_token="<unk>", end_of_word_suffix="</w>")
    t.normalizer, t.pre_tokenizer, t.decoder = N.BertNormalizer(), P.BertPreTokenizer(), D.BPEDecoder("</w>")
    return train(t, size, ["<unk>"], end_of_word_suffix="</w>")


def prefixed_bpe(size):
    t = bpe(unk_token="<unk>", continuing_subword_prefix="##")
    t.pre_tokenizer, t.decoder = P.Whitespace(), D.WordPiece("##", cleanup=False)
    return train(t, size, ["<unk>"], continuing_subword_prefix="##")


def with_added_first(size, normalizer):
    made = sentence_bpe(size, normalizer, P.Metaspace("▁", "first", False))
    t = Tokenizer.from_str(json.dumps(made))
    return with_added(t)


def write(directory, name, made, texts, decoded):
    text = json.dumps(document(made) if isinstance(made, Tokenizer) else made, ensure_ascii=False)
    tokenizer = Tokenizer.from_str(text)
    ids = []
    for one in texts:
        try:
            ids.append(tokenizer.encode(one, add_special_tokens=False).ids)
        except BaseException:  # a panic in Rust is no Exception
            ids.append(None)
    used = sorted({i for row in ids for i in row or []})[:decoded]
    tokens = {str(i): tokenizer.decode([i], skip_special_tokens=False) for i in used}
    with open(os.path.join(directory, f"{name}.json"), "w", encoding="utf-8") as f:
        json.dump({"tokenizer": json.loads(text), "ids": ids, "decoded": tokens}, f, ensure_ascii=False, separators=(",", ":"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--vocabulary", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    os.makedirs(options.directory, exist_ok=True)
    texts = make_texts(options.texts, options.seed)
    with open(os.path.join(options.directory, "texts.json"), "w", encoding="utf-8") as f:
        json.dump(texts, f, ensure_ascii=True, separators=(",", ":"))
    is_small = options.texts < 1000
    for name, make in kinds(options.vocabulary, is_small):
        if options.only and not name.startswith(options.only):
            continue
        write(options.directory, name, make(), texts, 60 if is_small else 100_000)
        print(name, file=sys.stderr)


main()
