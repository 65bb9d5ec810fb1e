/** Every kind of tokenizer, against what Python's tokenizers made of the same texts: `data/tokenizers/make_tokenizers.py`. */
import assert from "node:assert/strict";
import { createTokenizer } from "../../../lib/model/tokenizer.ts";
import { compareKind, type Kind } from "../../data/tokenizers/compare.ts";

const DATA = new URL("../../data/tokenizers/", import.meta.url);
const read = (file: string) => JSON.parse(Deno.readTextFileSync(new URL(file, DATA)));

const names = [...Deno.readDirSync(new URL("kinds/", DATA))].map(({ name }) => name).filter((name) =>
  name !== "texts.json"
);
const texts: string[] = read("kinds/texts.json");

for (const group of new Set(names.map((name) => name.split("-")[0].replace(".json", "")))) {
  const members = names.filter((name) => name.startsWith(group)).sort();
  Deno.test(`tokenizer kinds: ${members.length} of ${group} are exact`, () => {
    for (const name of members) {
      const kind: Kind = read(`kinds/${name}`);
      const { differences, refused } = compareKind(kind, texts);
      assert.deepEqual({ name, refused, differences }, { name, refused: undefined, differences: [] });
      assert.equal(kind.ids.length, texts.length);
      assert.ok(kind.ids.filter((ids) => ids !== null && ids.length > 0).length > 5, `${name} says something`);
    }
  });
}

Deno.test("tokenizer kinds: there are more than a hundred", () => {
  assert.ok(names.length > 100 && texts.length >= 100);
});

interface OtherFilesCase {
  readonly kind: string;
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly bos: number | null;
  readonly ids: readonly (readonly number[])[];
}

Deno.test("tokenizer: added tokens of other files are those of transformers", () => {
  const { tokenizers, texts, cases } = read("other_files.json");
  for (const { kind, name, files, bos, ids } of cases as OtherFilesCase[]) {
    const tokenizer = createTokenizer({
      tokenizerJson: JSON.stringify(tokenizers[kind]),
      tokenizerConfigJson: files["tokenizer_config.json"],
      specialTokensMapJson: files["special_tokens_map.json"],
      addedTokensJson: files["added_tokens.json"],
    });
    const got = (texts as string[]).map((text) => tokenizer.encode(text));
    assert.deepEqual({ kind, name, ids: got }, { kind, name, ids });
    if (bos !== null) assert.equal(tokenizer.bosId, bos, name);
  }
});
