/** A tokenizer that has only what it was asked for, against the library's with the whole vocabulary. */
import assert from "node:assert/strict";
import { Tokenizer } from "../../lib/deps/tokenizers.ts";
import { PartialTokenizer } from "../../lib/model/partial_tokenizer.ts";
import { indexVocabulary } from "../../lib/model/vocabulary_index.ts";

const DATA = new URL("../data/", import.meta.url);
const FILES = [
  "../bench/gpt2-tokenizer.json",
  ...["gpt2", "llama", "gemma2", "qwen2", "neox"].map((model) => `models/${model}/tokenizer.json`),
];
const PARTS = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] };

/** Texts of many kinds: words, code, spaces, scripts, broken surrogates, special tokens. */
function texts(): string[] {
  let state = 7;
  const random = (n: number): number => (state = (state * 48_271) % 2_147_483_647) % n;
  const pieces = [
    " the",
    "The",
    " Tiger",
    "Woods",
    " plays",
    " golf",
    "!",
    "\n\n",
    "   ",
    "\t",
    "don't",
    " 1234",
    "é",
    " naïve",
    "日本語",
    "🙂",
    "👩‍👩‍👧",
    "Ω",
    "<|endoftext|>",
    "<s>",
    "<bos>",
    "\u0000",
    "x = {'a': 1}",
    "ĠĠ",
    "▁a",
    "\ud800",
    "ﬁ",
    "İ",
    "…",
    " of",
    "ing",
  ];
  const made = Array.from(
    { length: 200 },
    () => Array.from({ length: 1 + random(12) }, () => pieces[random(pieces.length)]).join(""),
  );
  return ["", " ", "a", ...made, "a".repeat(300), ...made];
}

/** Both tokenizers of a file's text. */
function open(text: string): { partial: PartialTokenizer; whole: Tokenizer } {
  const indexed = indexVocabulary(text);
  assert.ok(indexed, "the file is as tokenizers write it");
  const document = { ...PARTS, ...indexed.document };
  return {
    partial: new PartialTokenizer({ document, index: indexed.index }, {}),
    whole: new Tokenizer({ ...PARTS, ...JSON.parse(text) }, {}),
  };
}

function check(partial: PartialTokenizer, whole: Tokenizer, text: string): void {
  partial.readyForText(text);
  const [got, want] = [partial.tokenizer, whole].map((one) => one.encode(text, { add_special_tokens: false }));
  assert.deepEqual(got.ids, want.ids, JSON.stringify(text));
  for (const id of want.ids) {
    if (id === undefined) continue;
    partial.readyForId(id);
    assert.equal(partial.tokenizer.id_to_token(id), whole.id_to_token(id));
    assert.equal(partial.tokenizer.decode([id]), whole.decode([id]));
  }
}

for (const file of FILES) {
  Deno.test(`partial tokenizer: ${file} gives what the whole vocabulary gives`, () => {
    const text = Deno.readTextFileSync(new URL(file, DATA));
    const { partial, whole } = open(text);
    for (const one of texts()) check(partial, whole, one);
    const fresh = open(text).partial; // one text each
    for (const one of texts().slice(0, 20)) check(fresh, whole, one);
  });

  Deno.test(`partial tokenizer: ${file} knows every id and token`, () => {
    const text = Deno.readTextFileSync(new URL(file, DATA));
    const { partial, whole } = open(text);
    const vocab = [...whole.get_vocab()].filter(([token]) => token !== undefined).filter((_, i) => i % 97 === 0);
    for (const [token, id] of vocab) {
      partial.readyForId(id);
      assert.equal(partial.tokenizer.id_to_token(id), token);
      const other = open(text).partial;
      other.readyForToken(token);
      assert.equal(other.tokenizer.token_to_id(token), id);
      if (vocab.length > 50) break; // one for the large one
    }
    partial.readyForId(10_000_000);
    assert.equal(partial.tokenizer.id_to_token(10_000_000), undefined);
  });
}

/** A small file; `model` replaces parts of it. */
const small = (model: object = {}, parts: object = {}): string =>
  JSON.stringify({
    added_tokens: [{ id: 9, content: "<s>", special: true }],
    model: {
      type: "BPE",
      vocab: { a: 0, b: 1, ab: 2, aba: 3, "\n": 4, '"': 5, "\n\n": 6, "\\": 7, "<unk>": 8 },
      merges: [["a", "b"], ["\n", "\n"], ["ab", "a"]],
      ...model,
    },
    ...parts,
  });

Deno.test("partial tokenizer: escapes, unknown characters, merges as text, whole words first", () => {
  const words = ["ab", "aba", "abab", "\n\n", '"a"', "\\b", "zab", "a b", "<s>ab"];
  const forms = [
    small(),
    small({ unk_token: "<unk>" }),
    small({ unk_token: "<unk>", fuse_unk: true }),
    small({ merges: ["a b", "\n \n", "ab a"] }),
    small({ ignore_merges: true, merges: [["b", "a"]] }),
    small().replaceAll("ab", "\\u0061b"),
    JSON.stringify(JSON.parse(small()), null, 2),
  ];
  for (const form of forms) {
    const { partial, whole } = open(form);
    for (const word of words) check(partial, whole, word);
  }
  const bytes = Object.fromEntries(
    Array.from({ length: 256 }, (_, i) => [`<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`, 10 + i]),
  );
  const { partial, whole } = open(
    small({ byte_fallback: true, vocab: { a: 0, b: 1, ab: 2, ...bytes }, merges: [["a", "b"]] }),
  );
  for (const word of ["ab", "é", "日ab", "\u0000"]) check(partial, whole, word);
});

Deno.test("partial tokenizer: added tokens come before the vocabulary's", () => {
  const form = small({}, {
    added_tokens: [{ id: 0, content: "ab", special: false }, { id: 9, content: "b", special: true }],
  });
  const { partial, whole } = open(form);
  for (const word of ["ab", "aba", "bb", "a"]) check(partial, whole, word);
});

Deno.test("vocabulary index: what is no byte-pair encoding as tokenizers write it is left to whoever parses all", () => {
  const others = [
    "",
    "[]",
    "{}",
    '{"model":{}}',
    '{"model":{"type":"Unigram","vocab":[["a",0]]}}',
    '{"model":{"type":"WordPiece","vocab":{"a":0}}}',
    '{"model":{"type":"BPE","vocab":{"a":0}}}',
    '{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}',
    '{"model":{"type":"BPE","vocab":{"a":1.5},"merges":[]}}',
    '{"model":{"type":"BPE","vocab":{"a":"0"},"merges":[]}}',
    '{"model":{"type":"BPE","vocab":{"a":9999999999},"merges":[]}}',
    '{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a"]]}}',
    '{"model":{"type":"BPE","vocab":{"a":0},"merges":["ab"]}}',
    '{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b c"]}}',
    '{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"model":{}}',
    '{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"__proto__":{}}}',
    '{"model":{"type":"BPE","vocab":{"a":0},"merges":[]}} x',
    '{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"x":tru}',
    '{"model":{"type":"BPE","vocab":{"a":0 "b":1},"merges":[]}}',
    '{"model":{"type":"BPE","vocab":{"a":0},"merges":[]}',
    '{"model":{"type":"BPE","vocab":{"a\n":0},"merges":[]}}',
    small({ end_of_word_suffix: "</w>" }),
    small({ continuing_subword_suffix: "@@" }),
  ];
  for (const text of others) assert.equal(indexVocabulary(text), undefined, text);
  const whole = small();
  for (let end = 0; end < whole.length; end++) assert.equal(indexVocabulary(whole.slice(0, end)), undefined);
});
