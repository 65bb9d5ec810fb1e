"""Writes lib/model/tokenizer/regex/character_tables.ts: characters that tokenizers 0.23.3 takes for other than today's Unicode.

It asks the library itself about every code point: python make_character_tables.py > ../../../lib/model/tokenizer/regex/character_tables.ts
"""
import json
import subprocess
import sys
import unicodedata

from tokenizers import normalizers, pre_tokenizers

ALL = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def digits(number):
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + text
        if number == 0:
            return text


def ranges(characters):
    found = []
    for c in characters:
        if found and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c])
    return found


def table(name, about, characters):
    numbers, last = [], 0
    for start, end in ranges(characters):
        numbers += [digits(start - last), digits(end - start)]
        last = end
    print(f"\n/** {about} */\nexport const {name} = decode(\n  \"{' '.join(numbers)}\",\n);")


# What JavaScript makes of each character beside others, in four forms: asked of deno.
ASK = """
const candidates = [];
for (let c = 0; c < 0x110000; c++) {
  if (c >= 0xd800 && c < 0xe000) continue;
  const s = String.fromCodePoint(c);
  if (/^\\\\p{M}$/u.test(s) || s.normalize("NFKD") !== s) {
    candidates.push(c, ...[...s.normalize("NFD")].map((d) => d.codePointAt(0)));
  }
}
const around = AROUND;
const made = [...new Set(candidates)].map((c) => [c, ["NFD", "NFC", "NFKD", "NFKC"].map((form) =>
  around.map(([before, after]) => (before + String.fromCodePoint(c) + after).normalize(form)))]);
console.log(JSON.stringify(made));
"""
AROUND = [
    ["", ""], ["a\u0301", ""], ["a", "\u0323"], ["a", "\u0301"], ["a\u0323", ""], ["", "\u0301"], ["", "\u0307"],
    ["a\u0345", ""], ["a", "\u0334"], ["e", "\u3099"],
]


def inert():
    script = ASK.replace("AROUND", json.dumps(AROUND)).replace("\\\\p", "\\p")
    made = json.loads(subprocess.run(["deno", "eval", script], capture_output=True, check=True, text=True).stdout)
    forms = [normalizers.NFD(), normalizers.NFC(), normalizers.NFKD(), normalizers.NFKC()]
    return sorted(
        c for c, theirs in made
        if theirs != [[f.normalize_str(b + chr(c) + a) for b, a in AROUND] for f in forms]
    )


def kept(normalizer, after=""):
    return lambda c: normalizer.normalize_str("a" + chr(c) + after) != "a" + after


def main():
    print('/**\n * Characters that Python\'s tokenizers 0.23.3, whose parts are made with several versions of Unicode, takes for other\n'
          " * than today's Unicode does. Made by `tests/data/tokenizers/make_character_tables.py`; nothing here is written by hand.\n"
          " *\n * @module\n */\nimport { decode } from \"./character_set.ts\";")
    bert = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    punctuation = pre_tokenizers.Punctuation()
    table("PUNCTUATION", "What Punctuation and BertPreTokenizer split at.",
          [c for c in ALL if len(punctuation.pre_tokenize_str("a" + chr(c))) == 2])
    clean = kept(normalizers.BertNormalizer(**{**bert, "clean_text": True}))
    table("CONTROL", "What BertNormalizer drops.", [c for c in ALL if not clean(c)])
    nfd = normalizers.NFD()
    accents = kept(normalizers.BertNormalizer(**{**bert, "strip_accents": True}))
    table("ACCENTS", "What BertNormalizer drops of decomposed text as accents.",
          [c for c in ALL if nfd.normalize_str(chr(c)) == chr(c) and not accents(c)])
    marks = kept(normalizers.StripAccents())
    table("MARKS", "What StripAccents drops.", [c for c in ALL if not marks(c)])
    table("INERT", "What NFC, NFD, NFKC and NFKD leave as it is, and where it is.", inert())


main()
