/** Text as it comes: whole characters, and stop texts wherever tokens begin and end. */
import assert from "node:assert/strict";
import { TextStream } from "../../../lib/model/generate/text_stream.ts";
import { createTokenizer, type ModelTokenizer } from "../../../lib/model/tokenizer.ts";
import { DATA } from "../../models/open.ts";

const read = (file: string): string => Deno.readTextFileSync(new URL(`models/gpt2/${file}`, DATA));
const gpt2 = createTokenizer({
  tokenizerJson: read("tokenizer.json"),
  tokenizerConfigJson: read("tokenizer_config.json"),
});

/** The texts of each token of a text, after a prompt, and what is left at the end. */
function pieces(tokenizer: ModelTokenizer, text: string, stop: string[] = [], prompt = "A prompt"): string[] {
  const stream = new TextStream(tokenizer, tokenizer.encode(prompt), stop);
  const found: string[] = [];
  for (const id of tokenizer.encode(text)) {
    found.push(stream.push(id));
    if (stream.hasStopped) break;
  }
  return [...found, stream.end()];
}

Deno.test("characters of several tokens come whole, when their last token comes", () => {
  const text = " naïve 😀😀 日本語 e\u0301 \u{1F468}\u200D\u{1F469} end";
  const found = pieces(gpt2, text);
  assert.equal(found.join(""), text);
  assert.ok(found.length > [...text].length, "characters are spread over tokens");
  assert.ok(found.every((piece) => !piece.includes("\ufffd") && piece.isWellFormed()));
});

Deno.test("a part of a character that nothing completes is left out at the end", () => {
  const ids = gpt2.encode(" 日");
  assert.ok(ids.length > 2);
  const stream = new TextStream(gpt2, []);
  assert.deepEqual([...ids.slice(0, -1).map((id) => stream.push(id)), stream.end()].join(""), " ");
});

Deno.test("more bytes than a character's that never become one are text at the end, as they are decoded", () => {
  const bytes = gpt2.encode("日").slice(1, 2);
  const ids = [...gpt2.encode(" x"), ...Array(7).fill(bytes[0])];
  const stream = new TextStream(gpt2, [], ["no such text"]);
  assert.equal(ids.map((id) => stream.push(id)).join("") + stream.end(), gpt2.decode(ids));
  assert.match(gpt2.decode(ids), /^ x\ufffd{7}$/);
});

Deno.test("a character that the prompt has begun comes whole with the token that completes it", () => {
  for (const character of ["é", "日", "😀"]) {
    const ids = gpt2.encode(character);
    assert.ok(ids.length > 1, character);
    const stream = new TextStream(gpt2, [...gpt2.encode("A prompt "), ...ids.slice(0, -1)]);
    assert.equal([ids.at(-1)!, ...gpt2.encode(" x")].map((id) => stream.push(id)).join(""), `${character} x`);
  }
});

Deno.test("a byte that is no text shows once what comes next is known", () => {
  const [first] = gpt2.encode("日").slice(0, 1);
  const stream = new TextStream(gpt2, []);
  const ids = [first, ...gpt2.encode(" x")];
  assert.equal(ids.map((id) => stream.push(id)).join(""), gpt2.decode(ids));
});

Deno.test("a stop text ends it where it begins, across tokens", () => {
  const ids = gpt2.encode("one END two");
  assert.ok(ids.length > 7, "tokens are small");
  assert.equal(pieces(gpt2, "one END two", ["END"]).join(""), "one ");
  assert.equal(pieces(gpt2, "one END two", ["two", "E", "END"]).join(""), "one ");
  assert.equal(pieces(gpt2, "one ENE ENDS", ["END"]).join(""), "one ENE ");
  assert.equal(pieces(gpt2, "aaab", ["aab"]).join(""), "a");
  assert.equal(pieces(gpt2, "one EN", ["END"]).join(""), "one EN", "what only began like it is text");
  assert.ok(pieces(gpt2, "one EN", ["END"]).slice(0, -1).join("").length < "one EN".length, "held back until the end");
});

Deno.test("special tokens have no text", () => {
  const [special] = gpt2.specialIds;
  const stream = new TextStream(gpt2, []);
  assert.equal([...gpt2.encode("a"), special, ...gpt2.encode("b")].map((id) => stream.push(id)).join(""), "ab");
});

Deno.test("spaces in front are those after the prompt, not those of a text of its own", () => {
  // SentencePiece's decoder takes the space of the first token away.
  const tokenizerJson = JSON.stringify({
    model: {
      type: "BPE",
      vocab: { "▁": 0, "a": 1, "b": 2, "▁a": 3, "▁b": 4, "<0xE2>": 5, "<0x82>": 6, "<0xAC>": 7 },
      merges: ["▁ a", "▁ b"],
      byte_fallback: true,
    },
    normalizer: {
      type: "Sequence",
      normalizers: [{ type: "Prepend", prepend: "▁" }, {
        type: "Replace",
        pattern: { String: " " },
        content: "▁",
      }],
    },
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        { type: "Strip", content: " ", start: 1, stop: 0 },
      ],
    },
  });
  const tokenizer = createTokenizer({ tokenizerJson });
  const stream = new TextStream(tokenizer, [3, 4]);
  assert.deepEqual([4, 5, 6, 7, 3].map((id) => stream.push(id)), [" b", "", "", "€", " a"]);
  const first = new TextStream(tokenizer, []);
  assert.deepEqual([4, 3].map((id) => first.push(id)), ["b", " a"]);
});
