/** All characters of Unicode, against what Python's tokenizers makes of them: `data/tokenizers/make_characters.py`. */
import assert from "node:assert/strict";
import { createNormalizer } from "../../../lib/model/tokenizer/normalizers.ts";
import { Part } from "../../../lib/model/tokenizer/part.ts";
import { wholePiece } from "../../../lib/model/tokenizer/piece.ts";
import { createPreTokenizer } from "../../../lib/model/tokenizer/pre_tokenizers.ts";

type Hashes = Readonly<Record<string, number>>;
const golden: { classes: Hashes; normalizers: Hashes; pre_tokenizers: Hashes } = JSON.parse(
  Deno.readTextFileSync(new URL("../../data/tokenizers/characters.json", import.meta.url)),
);

const CHUNK = 4096;
const all = Array.from({ length: 0x110000 }, (_, code) => code).filter((code) => code < 0xd800 || code > 0xdfff);
const chunks = Array.from(
  { length: Math.ceil(all.length / CHUNK) },
  (_, i) => all.slice(CHUNK * i, CHUNK * (i + 1)).map((code) => String.fromCodePoint(code)).join("a"),
);

function hashOf(text: string): number {
  let value = 0;
  for (let i = 0; i < text.length; i++) value = (Math.imul(value, 31) + text.charCodeAt(i)) >>> 0;
  return value;
}

/** The hash of what is made of all characters, each with a letter on both sides. */
function overAll(make: (text: string) => string): number {
  return chunks.reduce((value, chunk) => (Math.imul(value, 31) + hashOf(make(chunk))) >>> 0, 0);
}

function normalizer(document: object): (text: string) => string {
  const normalize = createNormalizer(new Part(document, "normalizer"));
  return (text) => normalize(wholePiece(text)).text;
}

Deno.test("tokenizer characters: classes of patterns fit the same characters", () => {
  const made = Object.keys(golden.classes).map((Regex) => {
    const replace = normalizer({ type: "Replace", pattern: { Regex }, content: "\u0001" });
    return [Regex, overAll(replace)];
  });
  assert.deepEqual(Object.fromEntries(made), golden.classes);
});

Deno.test("tokenizer characters: normalizers make the same of all characters", () => {
  const made = Object.keys(golden.normalizers).map((part) => [part, overAll(normalizer(JSON.parse(part)))]);
  assert.deepEqual(Object.fromEntries(made), golden.normalizers);
});

Deno.test("tokenizer characters: pre-tokenizers split all characters alike", () => {
  const made = Object.keys(golden.pre_tokenizers).map((document) => {
    const split = createPreTokenizer(new Part(JSON.parse(document), "pre_tokenizer"));
    return [document, overAll((text) => split(wholePiece(text)).map((piece) => piece.text).join("\u0001"))];
  });
  assert.deepEqual(Object.fromEntries(made), golden.pre_tokenizers);
});
