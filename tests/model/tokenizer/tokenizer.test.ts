import assert from "node:assert/strict";
import { createTokenizer, type ModelTokenizer, type TokenizerOptions } from "../../../lib/model/tokenizer.ts";

interface TokenizerCase {
  name: string;
  prompt: string;
  prepend_bos: boolean;
  n_ctx: number;
  tokens: number[];
  str_tokens: string[];
}

const data = new URL("../../data/", import.meta.url);
const read = (path: string): string => Deno.readTextFileSync(new URL(path, data));
const tokenizerJson = read("models/gpt2/tokenizer.json");
const tokenizerConfigJson = read("models/gpt2/tokenizer_config.json");
const cases: TokenizerCase[] = JSON.parse(read("tokenizer-cases.json"));
const gpt2 = createTokenizer({ tokenizerJson, tokenizerConfigJson });

/** A four-token vocabulary; `parts` replaces parts of the file. */
function small(parts: object = {}, config: object = {}, options: TokenizerOptions = {}): ModelTokenizer {
  const document = {
    model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2, "▁": 3 }, merges: ["a b"] },
    added_tokens: [{ id: 4, content: "<s>", special: true }, { id: 5, content: "</s>", special: true }],
    decoder: { type: "Replace", pattern: { String: "▁" }, content: "" },
    ...parts,
  };
  return createTokenizer(
    { tokenizerJson: JSON.stringify(document), tokenizerConfigJson: JSON.stringify(config) },
    options,
  );
}

for (const { name, prompt, prepend_bos, n_ctx, tokens, str_tokens } of cases) {
  Deno.test(`tokenizer: ${name} has the reference's tokens`, () => {
    const bos = prepend_bos ? [gpt2.bosId] : [];
    assert.deepEqual([...bos, ...gpt2.encode(prompt)].slice(0, n_ctx), tokens);
    assert.deepEqual(tokens.map(gpt2.tokenText), str_tokens);
  });
}

Deno.test("tokenizer: sizes and special tokens of a model", () => {
  assert.equal(gpt2.vocabSize, 384);
  assert.equal(gpt2.bosId, 0);
  assert.deepEqual([...gpt2.specialIds], [0]);
});

Deno.test("tokenizer: nothing is put around a text, whatever the post-processor says", () => {
  const post_processor = {
    type: "TemplateProcessing",
    single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    pair: [],
    special_tokens: { "<s>": { id: "<s>", ids: [4], tokens: ["<s>"] } },
  };
  assert.deepEqual(small({ post_processor }).encode("ab"), [2]);
  assert.deepEqual(small({ post_processor }).encode(""), []);
});

Deno.test("tokenizer: truncation and padding of the file are left to whoever encodes", () => {
  const truncation = { direction: "Right", max_length: 1, strategy: "LongestFirst", stride: 0 };
  const padding = { strategy: { Fixed: 9 }, direction: "Right", pad_id: 4, pad_type_id: 0, pad_token: "<s>" };
  assert.deepEqual(small({ truncation, padding }).encode("abab"), [2, 2]);
});

Deno.test("tokenizer: a single token by its text", () => {
  assert.equal(gpt2.singleToken(" golf"), 364);
  assert.equal(gpt2.singleToken("<|endoftext|>"), 0);
});

Deno.test("tokenizer: a text of several tokens lists its pieces", () => {
  const message = (text: string, hint?: string): string => {
    try {
      return String(gpt2.singleToken(text, hint));
    } catch (error) {
      assert.ok(error instanceof RangeError);
      return error.message;
    }
  };
  assert.equal(
    message(" golfing", "--pos-id"),
    '" golfing" is 3 tokens (" golf", "in", "g"): choose one, or give --pos-id',
  );
  assert.equal(
    message("golf"),
    '"golf" is 3 tokens ("g", "ol", "f"): choose one, or give its id (" golf" is a single token)',
  );
  assert.equal(message(""), '"" is no token: give a text that is one token, or give its id');
  assert.match(message("\x1b[31m\u{9b}2J\u{202e}"), /^"\\u001b\[31m\\u\{9b\}2J\\u\{202e\}" is \d+ tokens \(.*, …\):/);
  assert.ok(message("x".repeat(10_000)).length < 300);
});

Deno.test("tokenizer: a token as tables and vocabularies write it gets the hint what is meant", () => {
  for (const text of ["·golf", "Ġgolf", "▁golf", "golf"]) {
    assert.throws(() => gpt2.singleToken(text, "--pos-id"), {
      name: "RangeError",
      message: /^".*golf" is \d tokens \(.*\): choose one, or give --pos-id \(" golf" is a single token\)$/,
    });
  }
  assert.throws(() => gpt2.singleToken("·golfing"), { message: /or give its id$/ });
  assert.throws(() => gpt2.singleToken("·golf"), { message: /tokens \(.*"\\xC2/ }, "parts of characters as everywhere");
});

Deno.test("tokenizer: a text that only unk stands for is no token", () => {
  const model = { type: "BPE", vocab: { a: 0, b: 1, ab: 2, "<unk>": 3 }, merges: ["a b"], unk_token: "<unk>" };
  const known = small({ model });
  assert.deepEqual([known.encode("ab"), known.encode("é")], [[2], [3]]);
  assert.deepEqual([known.singleToken("ab"), known.singleToken("<s>")], [2, 4]);
  assert.throws(() => known.singleToken("é"), {
    message: /^"é" is no token: give a text that is one token, or give its id$/,
  });
});

Deno.test("tokenizer: a piece without text of its own shows as the vocabulary spells it", () => {
  assert.throws(() => small().singleToken("▁b"), {
    message: '"▁b" is 2 tokens ("▁", "b"): choose one, or give its id (" b" is a single token)',
  });
});

Deno.test("tokenizer: bos is the tokenizer's, else the config's, else eos", () => {
  assert.equal(small({}, { bos_token: "<s>", eos_token: "</s>" }, { bosTokenId: 1 }).bosId, 4);
  assert.equal(small({}, { bos_token: { content: "<s>", lstrip: false } }).bosId, 4);
  assert.equal(small({}, {}, { bosTokenId: 4, eosTokenId: 5 }).bosId, 4);
  assert.equal(small({}, { eos_token: "</s>" }).bosId, 5);
  assert.equal(small({}, {}, { eosTokenId: 5 }).bosId, 5);
  assert.equal(small({}, { bos_token: null, eos_token: "</s>" }, { bosTokenId: 1 }).bosId, 5);
  assert.equal(small({}, { bos_token: "<missing>" }, { bosTokenId: 1 }).bosId, 6, "added, as transformers does");
  assert.equal(small().bosId, undefined);
});

Deno.test("tokenizer: special ids are bos, eos, pad, sep and decoder start, not unk", () => {
  const config = { bos_token: "<s>", eos_token: "</s>", unk_token: "a", additional_special_tokens: ["b"] };
  assert.deepEqual([...small({}, config).specialIds], [4, 5]);
  const more = small({}, { ...config, pad_token: "a", sep_token: "b" }, { decoderStartTokenId: 2 });
  assert.deepEqual([...more.specialIds].sort(), [0, 1, 2, 4, 5]);
  assert.deepEqual([...small().specialIds], []);
});

Deno.test("tokenizer: text that the vocabulary cannot spell is dropped, as if it were not there", () => {
  assert.deepEqual(small().encode("azb"), [2]);
  assert.deepEqual(small().encode("zz"), []);
});

Deno.test("tokenizer: half a character of two code units is U+FFFD", () => {
  assert.deepEqual(gpt2.encode("a\ud800b"), gpt2.encode("a\ufffdb"));
});

Deno.test("tokenizer: ids beyond the vocabulary have no text, and what is no id is refused", () => {
  assert.equal(gpt2.tokenText(1_000_000), "");
  assert.throws(() => gpt2.tokenText(-1), {
    name: "RangeError",
    message: /token id -1: give a whole number from 0 to 383/,
  });
  assert.throws(() => gpt2.tokenText(1.5), RangeError);
});

Deno.test("tokenizer: texts are bounded", () => {
  assert.throws(() => gpt2.encode("a".repeat(10_000_001)), { name: "RangeError", message: /10000001 characters/ });
  assert.throws(() => gpt2.encode(1 as unknown as string), { name: "TypeError", message: /Cannot encode a number/ });
});

Deno.test("tokenizer: malformed files are one clear line", () => {
  const broken: [string, RegExp][] = [
    ["", /^Cannot read tokenizer\.json: it is not JSON/],
    ["{\n\n", /^Cannot read tokenizer\.json: it is not JSON/],
    ["[]", /it is not a JSON object/],
    ["{}", /it has no model/],
    ['{"model":{}}', /no vocabulary/],
    ['{"model":{"vocab":{"a":4000000000}}}', /token "a" has the id 4000000000/],
    ['{"model":{"vocab":{"a":"0"}}}', /token "a" has the id "0"/],
    ['{"model":{"vocab":{"a":0},"merges":[]},"added_tokens":{}}', /added_tokens is not a list/],
    ['{"model":{"vocab":{"a":0},"merges":[]},"added_tokens":[{"id":1}]}', /added_tokens has no content/],
    ['{"model":{"vocab":{"a":0},"merges":[]},"added_tokens":[{"id":-1,"content":"x"}]}', /"x" has the id -1/],
    ['{"model":{"type":"BPE","vocab":{"a":0}}}', /^Cannot use tokenizer\.json: its model "BPE" has no merges/],
    ['{"model":{"type":"Evil","vocab":{"a":0},"merges":[]},"decoder":{"type":"Evil"}}', /Evil/],
  ];
  for (const [text, message] of broken) {
    assert.throws(() => createTokenizer({ tokenizerJson: text }), (error: unknown) => {
      assert.ok(error instanceof SyntaxError, text);
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  }
  const config = (text: string): ModelTokenizer => createTokenizer({ tokenizerJson, tokenizerConfigJson: text });
  assert.throws(() => config("{"), { name: "SyntaxError", message: /tokenizer_config\.json: it is not JSON/ });
  assert.throws(() => config('{"bos_token": 3}'), { name: "SyntaxError", message: /bos_token is no text/ });
});
