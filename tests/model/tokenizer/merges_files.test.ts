/** Tokenizers of `vocab.json` and `merges.txt` against transformers: data/tokenizers/merges.py. */
import assert from "node:assert/strict";
import { type ModelTokenizer, readTokenizer } from "../../../lib/model/tokenizer.ts";
import { openSource } from "../../../lib/weights/files/source.ts";

type Json = Readonly<Record<string, unknown>>;

interface Case {
  readonly model: string;
  readonly config: Json;
  readonly tokenizer_config: Json | null;
  readonly ids: readonly (readonly number[])[];
  readonly special: Readonly<Record<"bos" | "eos" | "pad", number | null>>;
}

const DATA = new URL("../../data/", import.meta.url);
const golden: { readonly texts: readonly string[]; readonly cases: Readonly<Record<string, Case>> } = JSON.parse(
  Deno.readTextFileSync(new URL("tokenizers/merges.json", DATA)),
);

/** The two files, from a `tokenizer.json` that has the same. */
function filesOf(tokenizerJson: string): Record<string, string> {
  const { model } = JSON.parse(tokenizerJson);
  const merges = model.merges.map((merge: string | string[]) => typeof merge === "string" ? merge : merge.join(" "));
  return {
    "vocab.json": JSON.stringify(model.vocab),
    "merges.txt": ["#version: 0.2", ...merges, ""].join("\n"),
  };
}

async function read(files: Readonly<Record<string, string>>, config: Json): Promise<ModelTokenizer | undefined> {
  const directory = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${directory}/${name}`, text);
    await using source = openSource(directory);
    return await readTokenizer(source, config);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

const tokenizerOf = (model: string): string => Deno.readTextFileSync(new URL(`models/${model}/tokenizer.json`, DATA));

for (const [name, { model, config, tokenizer_config, ids, special }] of Object.entries(golden.cases)) {
  Deno.test(`vocab.json and merges.txt: ${name}`, async () => {
    const more: Record<string, string> = tokenizer_config === null
      ? {}
      : { "tokenizer_config.json": JSON.stringify(tokenizer_config) };
    const tokenizer = await read({ ...filesOf(tokenizerOf(model)), ...more }, config);
    assert.deepEqual(golden.texts.map((text) => tokenizer!.encode(text)), ids);
    assert.equal(tokenizer!.bosId, special.bos ?? special.eos);
    const named = Object.values(special).filter((id) => id !== null);
    assert.deepEqual([...tokenizer!.specialIds].sort(), [...new Set(named)].sort());
  });
}

Deno.test("vocab.json and merges.txt: a whole vocabulary gives what its tokenizer.json gives", async () => {
  const json = Deno.readTextFileSync(new URL("../../bench/gpt2-tokenizer.json", import.meta.url));
  const [one, two] = await Promise.all([
    read({ "tokenizer.json": json }, {}),
    read(filesOf(json), { model_type: "gpt2" }),
  ]);
  assert.equal(one!.vocabSize, two!.vocabSize);
  for (const text of golden.texts) assert.deepEqual(two!.encode(text), one!.encode(text));
});

const files = filesOf(tokenizerOf("gpt2"));
const REFUSED: readonly [name: string, files: Readonly<Record<string, string>>, config: Json, message: RegExp][] = [
  [
    "another class",
    { ...files, "tokenizer_config.json": '{"tokenizer_class":"CLIPTokenizer"}' },
    {},
    /"CLIPTokenizer"; .*GPT2Tokenizer and Qwen2Tokenizer are read/,
  ],
  ["no class", files, { model_type: "llama" }, /of the class null/],
  [
    "SentencePiece",
    { "tokenizer.model": "" },
    {},
    /a tokenizer in tokenizer\.model and no tokenizer\.json: make one with/,
  ],
  [
    "a merge of three",
    { ...files, "merges.txt": "#version: 0.2\na b\na b c\n" },
    { model_type: "gpt2" },
    /merges\.txt: merge 2 is "a b c"/,
  ],
];

for (const [name, given, config, message] of REFUSED) {
  Deno.test(`a tokenizer that is not read: ${name}`, async () => {
    await assert.rejects(read(given, config), (error: Error) => {
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("no tokenizer at all", async () => assert.equal(await read({}, {}), undefined));
