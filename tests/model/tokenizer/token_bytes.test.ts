import assert from "node:assert/strict";
import { byteNotation, escapeParts, tokenBytes } from "../../../lib/model/tokenizer/token_bytes.ts";
import { createTokenizer, type ModelTokenizer } from "../../../lib/model/tokenizer.ts";
import { MODEL, runCli } from "../../cli/run_cli.ts";

const read = (path: string): string => Deno.readTextFileSync(new URL(`../../${path}`, import.meta.url));
const open = (model: string): ModelTokenizer =>
  createTokenizer({
    tokenizerJson: read(`data/models/${model}/tokenizer.json`),
    tokenizerConfigJson: read(`data/models/${model}/tokenizer_config.json`),
  });

/** The whole vocabulary of GPT-2: 50,257 tokens. */
const realGpt2 = createTokenizer({ tokenizerJson: read("bench/gpt2-tokenizer.json") });

/** The bytes that a displayed text stands for. */
function bytesOf(text: string): number[] {
  return text.split(/(\\x[0-9A-F]{2})/).flatMap((part) =>
    /^\\x[0-9A-F]{2}$/.test(part) ? [parseInt(part.slice(2), 16)] : [...new TextEncoder().encode(part)]
  );
}

const TEXT = " A tiger is 🐯, 中国 is China, €5 and naïve 👩🏽‍🚀";

for (const [name, tokenizer] of [["GPT-2", realGpt2], ["gpt2", open("gpt2")], ["gemma2", open("gemma2")]] as const) {
  Deno.test(`displayText: parts of characters in ${name}'s tokens add up to the text's bytes`, () => {
    const texts = tokenizer.encode(TEXT).map(tokenizer.displayText);
    assert.deepEqual(texts.flatMap(bytesOf), [...new TextEncoder().encode(TEXT)]);
    assert.ok(!texts.join("").includes("\ufffd"));
    assert.ok(texts.includes("\\x9F") || texts.includes("\\x90"), texts.join());
  });
}

Deno.test("displayText: byte fallback of a SentencePiece vocabulary", () => {
  const llama = open("llama");
  const ids = llama.encode("🐯€");
  assert.deepEqual(ids.slice(-7).map(llama.displayText), [
    "\\xF0",
    "\\x9F",
    "\\x90",
    "\\xAF",
    "\\xE2",
    "\\x82",
    "\\xAC",
  ]);
  assert.deepEqual(ids.slice(-7).map(llama.tokenText), Array(7).fill("\ufffd"));
  assert.equal(llama.displayText(llama.encode("\n").at(-1)!), "\n"); // a byte that is a character
});

Deno.test("displayText: whole characters and parts in one token, and U+FFFD where it is meant", () => {
  assert.deepEqual(realGpt2.encode(" 🐯").map(realGpt2.displayText), [" \\xF0\\x9F", "\\x90", "\\xAF"]);
  assert.deepEqual(realGpt2.encode("�").map(realGpt2.displayText), ["�"]);
  assert.equal(realGpt2.displayText(50256), "<|endoftext|>");
  const shown = Array.from({ length: realGpt2.vocabSize }, (_, id) => realGpt2.displayText(id));
  const vocabulary: Record<string, number> = JSON.parse(read("bench/gpt2-tokenizer.json")).model.vocab;
  for (const [spelling, id] of Object.entries(vocabulary)) {
    assert.equal(shown[id].includes("\ufffd"), spelling.includes("ï¿½"), spelling); // U+FFFD in GPT-2's alphabet
  }
  // Tokens of whole characters only are what they were.
  for (const [id, text] of shown.entries()) {
    if (!realGpt2.tokenText(id).includes("\ufffd")) assert.equal(text, realGpt2.tokenText(id));
  }
});

Deno.test("displayText: added tokens and vocabularies without bytes are left alone", () => {
  const tokenizer = createTokenizer({
    tokenizerJson: JSON.stringify({
      model: { type: "BPE", vocab: { "â": 0, "<0xE2>": 1 }, merges: [] },
      added_tokens: [{ id: 2, content: "é\ufffd", special: true }],
      decoder: { type: "ByteLevel" },
    }),
  });
  assert.deepEqual([0, 2].map(tokenizer.displayText), ["\\xE2", "é\ufffd"]);
  assert.equal(byteNotation(null), undefined);
  assert.equal(byteNotation({ type: "Sequence", decoders: [{ type: "Fuse" }, { type: "ByteLevel" }] }), "byte-level");
  assert.equal(tokenBytes("日", "byte-level"), undefined);
  assert.equal(tokenBytes("<0xE2>x", "byte-fallback"), undefined);
});

Deno.test("escapeParts: overlong forms, surrogates and stray bytes", () => {
  for (
    const bytes of [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xff], [0x80], [0xf5, 0x80, 0x80, 0x80], [0xf0, 0x9f, 0x41]]
  ) {
    const text = escapeParts(Uint8Array.from(bytes))!;
    assert.ok(!text.includes("\ufffd"));
    assert.deepEqual(bytesOf(text), bytes);
  }
  assert.equal(escapeParts(new TextEncoder().encode("\ufeff🐯\ufffd")), undefined);
});

Deno.test("parts of characters are readable in predictions and tables", async () => {
  const common = ["--model", MODEL, "--threads", "1", "--format", "csv"];
  const sae = ["--sae", new URL("../../data/saes/g-std-pre2", import.meta.url).pathname];
  const [predicted, attributed] = await Promise.all([
    runCli(["predict", "中国", "--top", "384", ...common]),
    runCli(["attribute", "中国", ...sae, "--pos-id", "5", "--columns", "position,token,attribution", ...common]),
  ]);
  assert.equal(predicted.code, 0, predicted.stderr);
  assert.equal(attributed.code, 0, attributed.stderr);
  assert.match(predicted.stderr, /Prompt +<\|endoftext\|> \\xE4 \\xB8 \\xAD \\xE5 \\x9B \\xBD/);
  assert.match(predicted.stdout, /^\\xE4,\d+,/m);
  assert.match(attributed.stdout, /^1,\\xE4,/m);
  assert.match(attributed.stdout, /^6,\\xBD,/m);
  for (const { stdout, stderr } of [predicted, attributed]) assert.ok(!(stdout + stderr).includes("\ufffd"));
});
