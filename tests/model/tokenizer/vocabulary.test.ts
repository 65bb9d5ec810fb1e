/** Tokens and merges found in the text of a file, against the same file parsed. */
import assert from "node:assert/strict";
import { readDocument } from "../../../lib/model/tokenizer/document.ts";
import { readScore } from "../../../lib/model/tokenizer/vocabulary/scored_vocabulary.ts";

const DATA = new URL("../../data/", import.meta.url);
const FILES = [
  "../bench/gpt2-tokenizer.json",
  ...["gpt2", "llama", "gemma2", "qwen2", "neox"].map((model) => `models/${model}/tokenizer.json`),
];

interface ParsedModel {
  readonly vocab: Readonly<Record<string, number>>;
  readonly merges: readonly (string | readonly [string, string])[];
}

function check(text: string): void {
  const { vocab, merges }: ParsedModel = JSON.parse(text).model;
  const found = readDocument(text);
  for (const [token, id] of Object.entries(vocab)) {
    assert.equal(found.vocabulary!.id(token), id);
    assert.equal(found.vocabulary!.token(id), token);
    assert.equal(found.vocabulary!.id(`${token}\u0000`), undefined);
  }
  assert.equal(found.vocabulary!.size, Object.keys(vocab).length);
  assert.equal(found.vocabulary!.largestId, Math.max(...Object.values(vocab)));
  assert.equal(found.vocabulary!.token(found.vocabulary!.largestId + 1), undefined);
  merges.forEach((merge, rank) => {
    const [left, right] = typeof merge === "string" ? merge.split(" ") : merge;
    assert.equal(found.merges!.rank(left, right), rank);
    assert.equal(found.merges!.rank(right, `${left}\u0000`), undefined);
  });
}

for (const file of FILES) {
  Deno.test(`vocabulary: every token and merge of ${file}`, () => check(Deno.readTextFileSync(new URL(file, DATA))));
}

/** A small file; `model` replaces parts of it. */
const small = (model: object = {}): string =>
  JSON.stringify({
    added_tokens: [{ id: 9, content: "<s>", special: true }],
    model: {
      type: "BPE",
      vocab: { a: 0, b: 1, ab: 2, aba: 3, "\n": 4, '"': 5, "\n\n": 6, "\\": 7, "é": 8, "": 9 },
      merges: [["a", "b"], ["\n", "\n"], ["ab", "a"], ["\\", '"']],
      ...model,
    },
  });

Deno.test("vocabulary: escapes, spaces, merges as text", () => {
  check(small());
  check(small({ merges: ["a b", "\n \n", "ab a"] }));
  check(small().replaceAll("ab", "\\u0061b"));
  check(JSON.stringify(JSON.parse(small()), null, 2));
});

Deno.test("vocabulary: entries that are written in unusual ways among plain ones", () => {
  const { vocabulary } = readDocument(
    '{"model":{"vocab":{"a":0,"b":12345678,"c" : 1 ,\n"d":\t2, "\\t":3,"e":4,"a":5}}}',
  );
  const ids = ["a", "b", "c", "d", "\t", "e"].map((token) => vocabulary!.id(token));
  assert.deepEqual([ids, vocabulary!.size], [[5, 12345678, 1, 2, 3, 4], 7]);
  for (const wrong of ['"b":16777216', '"b":99999999', '"b":1.5', '"b":-1', '"b":', '"b"', ""]) {
    assert.throws(() => readDocument(`{"model":{"vocab":{"a":0,${wrong}}}}`), SyntaxError);
  }
});

Deno.test("vocabulary: of equal tokens and merges the last counts, and a version is no merge", () => {
  const found = readDocument(
    '{"model":{"vocab":{"a":0,"b":1,"a":2,"\\u0061":3},"merges":["#version: 0.2","a b","b a","a b"]}}',
  );
  assert.equal(found.vocabulary!.id("a"), 3);
  assert.deepEqual([found.merges!.rank("a", "b"), found.merges!.rank("b", "a")], [2, 1]);
});

Deno.test("vocabulary: what is no tokenizer.json is one clear line", () => {
  const broken: [string, RegExp][] = [
    ['{"model":{"vocab":{"a":1.5}}}', /token "a" has the id 1\.5/],
    ['{"model":{"vocab":{"a":99999999}}}', /token "a" has the id 99999999/],
    ['{"model":{"vocab":{"a":0},"merges":[["a"]]}}', /no , where one is due/],
    ['{"model":{"vocab":{"a":0},"merges":[["a","b","c"]]}}', /no \] where one is due/],
    ['{"model":{"vocab":{"a":0},"merges":["ab"]}}', /a merge has not 2 parts/],
    ['{"model":{"vocab":{"a":0},"merges":["a b c"]}}', /a merge has not 2 parts/],
    ['{"model":{"vocab":[["a"]]}}', /no , where one is due/],
    ['{"model":{"vocab":[["a","b"]]}}', /token "a" has the score "b"/],
    ['{"model":{"vocab":{"a":0},"merges":[]},"model":{}}', /it has "model" twice/],
    ['{"model":{"vocab":{"a":0},"__proto__":{}}}', /it has "__proto__" twice/],
    ['{"model":{"vocab":{"a":0},"merges":[]}} x', /it is not JSON/],
    ['{"model":{"vocab":{"a":0 "b":1},"merges":[]}}', /it is not JSON/],
    ['{"model":{"vocab":{"a\n":0},"merges":[]}}', /it is not JSON/],
    ["[".repeat(200), /it is nested more than 100 deep: download it again/],
    [`{"model":${"[".repeat(101)}${"]".repeat(101)}}`, /it is nested more than 100 deep/],
    [`{"added_tokens":[${"0,".repeat(4_000_000)}0]}`, /it has more than 4000000 values/],
  ];
  for (const [text, message] of broken) {
    assert.throws(() => readDocument(text), (error: unknown) => {
      assert.ok(error instanceof SyntaxError, text);
      assert.match(error.message, message);
      assert.ok(error.message.startsWith("Cannot read tokenizer.json: ") && error.message.length < 300);
      return true;
    });
  }
  const whole = small();
  for (let end = 0; end < whole.length; end++) {
    assert.throws(() => readDocument(whole.slice(0, end)), { name: "SyntaxError", message: /not JSON/ });
  }
});

Deno.test("vocabulary: scores are read as Rust's serde_json reads them, to the last bit", () => {
  const scores: [string, number][] = JSON.parse(Deno.readTextFileSync(new URL("tokenizers/scores.json", DATA)));
  assert.ok(scores.some(([text, score]) => Number(text) !== score));
  for (const [text, score] of scores) assert.equal(readScore(text), score, text);
  assert.equal(readScore("1e999"), undefined);
  assert.equal(readScore("true"), undefined);
});
