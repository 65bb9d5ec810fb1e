/** Tokenizers that other tools read wrongly, and those that are refused: by the name of the part, and within bounds. */
import assert from "node:assert/strict";
import { createTokenizer, type ModelTokenizer } from "../../../lib/model/tokenizer.ts";

const DATA = new URL("../../data/tokenizers/", import.meta.url);
const read = (file: string): string => Deno.readTextFileSync(new URL(file, DATA));

interface Case {
  readonly name: string;
  readonly tokenizer: object;
  readonly cases: readonly { readonly text: string; readonly ids: readonly number[] }[];
}

for (const { name, tokenizer, cases } of JSON.parse(read("cases.json")) as Case[]) {
  Deno.test(`tokenizer cases: ${name}`, () => {
    const made = createTokenizer({ tokenizerJson: JSON.stringify(tokenizer) });
    for (const { text, ids } of cases) assert.deepEqual({ text, ids: made.encode(text) }, { text, ids });
  });
}

Deno.test("tokenizer cases: GPT-2's own file, with U+FEFF and U+0085", () => {
  const made = createTokenizer({ tokenizerJson: read("../../bench/gpt2-tokenizer.json") });
  const [{ cases }] = (JSON.parse(read("cases.json")) as Case[]).filter(({ name }) => name.includes("bom-nel"));
  for (const { text, ids } of cases) assert.deepEqual({ text, ids: made.encode(text) }, { text, ids });
});

/** A tokenizer of a few tokens; `parts` replaces parts of its file, `config` is the other file. */
function open(parts: object = {}, config: object = {}): ModelTokenizer {
  const model = { type: "BPE", vocab: { a: 0, b: 1, ab: 2, "<s>": 3 }, merges: [["a", "b"]] };
  return createTokenizer({
    tokenizerJson: JSON.stringify({ model, ...parts }),
    tokenizerConfigJson: JSON.stringify(config),
  });
}

const bpe = { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: [["a", "b"]] };
const split = (Regex: string) => ({
  pre_tokenizer: { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false },
});
const metaspace = { type: "Metaspace", replacement: "▁" };
/** What is refused, and which words say so. */
const REFUSED: readonly (readonly [parts: object, message: RegExp, config?: object])[] = [
  [{ pre_tokenizer: { type: "UnicodeScripts" } }, /its pre_tokenizer "UnicodeScripts" is not known here/],
  [
    { pre_tokenizer: { type: "Digits", individual_digits: true, thousands: 3 } },
    /"Digits" has the setting "thousands"/,
  ],
  [{ pre_tokenizer: { type: "Digits", individual_digits: "yes" } }, /individual_digits "yes" where true or false/],
  [{ pre_tokenizer: { type: "Punctuation", behavior: "Mirrored" } }, /behavior "Mirrored" where Removed, Isolated/],
  [{ pre_tokenizer: { type: "FixedLength", length: 0 } }, /"FixedLength" has the length 0/],
  [{ pre_tokenizer: { ...metaspace, add_prefix_space: false } }, /add_prefix_space false and prepend_scheme always/],
  [{ pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Nonsense" }] } }, /its pre_tokenizer "Nonsense"/],
  [{ normalizer: { type: "NFKC_Casefold" } }, /its normalizer "NFKC_Casefold" is not known here/],
  [{ normalizer: { type: "Replace", pattern: { Regex: "x*" }, content: "" } }, /fits between two characters/],
  [{ normalizer: { type: "Precompiled", precompiled_charsmap: "AAAA" } }, /precompiled_charsmap is damaged/],
  [{ normalizer: { clean_text: true } }, /its normalizer has no type/],
  [{ decoder: { type: "CTC", pad_token: "", word_delimiter_token: "|", cleanup: true } }, /its decoder "CTC"/],
  [{ post_processor: { type: "Weird" } }, /its post_processor "Weird" is not known here/],
  [{ version: "2.0" }, /version "2\.0"/],
  [{ lookahead: true }, /has "lookahead", which is not known here/],
  [{ model: { ...bpe, dropout: 0.1 } }, /the dropout 0\.1: it encodes by chance/],
  [{ model: { ...bpe, surprise: 1 } }, /its model "BPE" has the setting "surprise"/],
  [{ model: { ...bpe, type: "Neural" } }, /its model "Neural" is not known here/],
  [
    { model: { type: "WordPiece", vocab: { a: 0 }, unk_token: "a", continuing_subword_prefix: "##" } },
    /max_input_chars/,
  ],
  [{ model: { type: "Unigram", vocab: [["a", -1]], unk_id: 1 } }, /unk_id 1 where a whole number from 0 to 0/],
  [{ added_tokens: [{ id: 9, content: "x" }] }, /"x" has the id 9 where tokenizers gives it 4/],
  [
    { added_tokens: [{ id: 4, content: "X" }, { id: 5, content: "x" }], normalizer: { type: "Lowercase" } },
    /two of its added tokens are "x" when normalized, and chance decides/,
  ],
  [{}, /"x" has the id 7 where tokenizers gives it 4/, { added_tokens_decoder: { 7: { content: "x" } } }],
  [
    { pre_tokenizer: { type: "ByteLevel", add_prefix_space: false } },
    /do not add a space .* add_prefix_space true/,
    { add_prefix_space: true },
  ],
  [split("(a)\\1"), /"Split" has a pattern that is not known here: it has \\1/],
  [split("(?<name>a)"), /it has the group \(\?</],
  [split("\\X"), /it has \\X/],
  [split("\\p{Klingon}"), /it has \\p\{Klingon\}/],
  [split("(?i:ß)"), /it ignores the case of ß/],
  [split("(?i:ss)"), /it ignores the case of "ss"/],
  [split("(?i:\\p{L})"), /it ignores the case of \\p/],
  [split("a(?i)b"), /it has \(\?i\) after its beginning/],
  [split("(a*)*"), /it repeats a group that may be empty/],
  [split("(?<=a+)b"), /it looks behind for what has no fixed length/],
  [split("a{1,2}{3}"), /it repeats a repetition/],
  [split("a{2}?"), /it repeats a repetition/],
  [split("(?:(?:a{900}){900}){900}"), /it repeats too much/],
  [split("(".repeat(100)), /it is nested more than 50 deep/],
  [split("["), /it ends too early/],
  [split("a)"), /it has a \) too many/],
  [split("a".repeat(20_000)), /it has 20000 characters/],
];

Deno.test("tokenizer: what is not known exactly is refused by its name, in one line", () => {
  for (const [parts, message, config] of REFUSED) {
    assert.throws(() => open(parts, config), (error: unknown) => {
      assert.ok(error instanceof SyntaxError, String(error));
      assert.match(error.message, message);
      assert.ok(error.message.length < 300 && !error.message.includes("\n"), error.message);
      return true;
    });
  }
});

Deno.test("tokenizer: sequences in sequences have an end", () => {
  for (const [depth, most] of [[20, 8], [2000, 100]]) {
    let normalizer: object = { type: "Lowercase" };
    for (let i = 0; i < depth; i++) normalizer = { type: "Sequence", normalizers: [normalizer] };
    const message = new RegExp(`nested more than ${most} deep`);
    assert.throws(() => open({ normalizer }), { name: "SyntaxError", message });
  }
});

Deno.test("tokenizer: patterns and tokens that take for ever are stopped", () => {
  const tooMuch = { name: "RangeError", message: /need too many steps for it: give a shorter text/ };
  const text = "a".repeat(5000) + "!";
  for (const pattern of ["(?:a+)+b", "(?:a|a)*b", "(?:a|aa)+$x", "a*a*a*a*b", "(?=a*a*a*b)a"]) {
    assert.throws(() => open(split(pattern)).encode(text), tooMuch, pattern);
  }
  const long = open({ added_tokens: [{ id: 4, content: "a".repeat(100_000) + "!", special: true }] });
  assert.throws(() => long.encode("a".repeat(150_000)), tooMuch);
  const vocab = [["<unk>", 0], ...Array.from({ length: 3000 }, (_, i) => ["a".repeat(i + 1), -1])];
  const unigram = open({ model: { type: "Unigram", unk_id: 0, vocab } });
  assert.throws(() => unigram.encode("a".repeat(20_000)), tooMuch);
});

Deno.test("tokenizer: long texts that are not hostile are encoded", () => {
  const gpt2 = createTokenizer({ tokenizerJson: read("../../bench/gpt2-tokenizer.json") });
  for (
    const text of [
      " ".repeat(200_000),
      "a".repeat(50_000),
      "Tiger Woods plays golf. ".repeat(5000),
      "\n \t".repeat(20_000),
    ]
  ) {
    assert.equal(gpt2.encode(text).map(gpt2.tokenText).join(""), text);
  }
});

Deno.test("tokenizer: merges that lead nowhere are an error when they are met", () => {
  const broken = open({ model: { ...bpe, merges: [["a", "b"], ["ab", "a"]] } });
  assert.deepEqual(broken.encode("ab"), [2]);
  assert.throws(() => broken.encode("aba"), { name: "SyntaxError", message: /it merges to "aba", which is no token/ });
});
