"""Writes characters.json: which of all characters each class of a pattern fits, and what each normalizer and pre-tokenizer
makes of all characters, as hashes, by Python's tokenizers 0.23.3: python make_characters.py."""
import json
import os

from tokenizers import Regex, normalizers as N, pre_tokenizers as P

ALL = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CHUNK = 4096
CATEGORIES = ("L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn "
              "Letter Mark Number Punctuation Symbol Separator Other").split()
SCRIPTS = ("Arabic Armenian Bengali Cyrillic Devanagari Ethiopic Georgian Greek Gujarati Gurmukhi Han Hangul Hebrew Hiragana "
           "Kannada Katakana Khmer Lao Latin Malayalam Mongolian Myanmar Oriya Sinhala Tamil Telugu Thai Tibetan").split()
CLASSES = [rf"\p{{{name}}}" for name in [*CATEGORIES, *SCRIPTS, "Alpha", "Alphabetic", "Punct", "Space", "White_Space", "Emoji"]]
CLASSES += [rf"[[:{name}:]]" for name in ["alpha", "digit", "alnum", "space", "punct", "word", "xdigit"]]
CLASSES += [r"\w", r"\W", r"[\w]", r"[\W]", r"\d", r"\D", r"\s", r"\S", r"\h", r"\H", ".", r"(?m:.)", r"[^\s\p{L}\p{N}]", r"(?i:k)",
            r"(?i:[a-z])", r"(?i:[sk])", r"[\p{L}&&[^a-z]]", r"\b.\b"]
NORMALIZERS = {
    '{"type":"NFC"}': N.NFC(), '{"type":"NFD"}': N.NFD(), '{"type":"NFKC"}': N.NFKC(), '{"type":"NFKD"}': N.NFKD(),
    '{"type":"Lowercase"}': N.Lowercase(), '{"type":"StripAccents"}': N.StripAccents(), '{"type":"Nmt"}': N.Nmt(),
    '{"type":"ByteLevel"}': N.ByteLevel(),
    '{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}': N.BertNormalizer(),
}
PRE_TOKENIZERS = {
    '{"type":"Whitespace"}': P.Whitespace(), '{"type":"WhitespaceSplit"}': P.WhitespaceSplit(),
    '{"type":"BertPreTokenizer"}': P.BertPreTokenizer(), '{"type":"Punctuation","behavior":"Contiguous"}': P.Punctuation("contiguous"),
    '{"type":"Digits","individual_digits":false}': P.Digits(False),
    '{"type":"ByteLevel","add_prefix_space":false}': P.ByteLevel(add_prefix_space=False),
}


def hash_of(text):
    units = text.encode("utf-16-le")
    value = 0
    for i in range(0, len(units), 2):
        value = (value * 31 + units[i] + 256 * units[i + 1]) & 0xFFFFFFFF
    return value


def over_all(make):
    """The hash of what is made of all characters, each with a letter on both sides."""
    value = 0
    for start in range(0, len(ALL), CHUNK):
        made = make("a".join(map(chr, ALL[start:start + CHUNK])))
        value = (value * 31 + hash_of(made)) & 0xFFFFFFFF
    return value


def main():
    made = {"classes": {}, "normalizers": {}, "pre_tokenizers": {}}
    for pattern in CLASSES:
        made["classes"][pattern] = over_all(N.Replace(Regex(pattern), "\x01").normalize_str)
    for document, normalizer in NORMALIZERS.items():
        made["normalizers"][document] = over_all(normalizer.normalize_str)
    for document, pre_tokenizer in PRE_TOKENIZERS.items():
        made["pre_tokenizers"][document] = over_all(
            lambda text, one=pre_tokenizer: "\x01".join(word for word, _ in one.pre_tokenize_str(text)))
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "characters.json"), "w") as f:
        json.dump(made, f, indent=1)


main()
