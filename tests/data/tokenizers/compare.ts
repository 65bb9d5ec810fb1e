/**
 * What this project makes of the texts that `make_tokenizers.py` wrote, against what Python's tokenizers made of them:
 * `deno run -A tests/data/tokenizers/compare.ts DIRECTORY`.
 *
 * @module
 */
import { createTokenizer, type ModelTokenizer } from "../../../lib/model/tokenizer.ts";

/** One kind of tokenizer, as `make_tokenizers.py` writes it. */
export interface Kind {
  readonly tokenizer: object;
  /** By text; null where Python gives up. */
  readonly ids: readonly (readonly number[] | null)[];
  /** By id. */
  readonly decoded: Readonly<Record<string, string>>;
}

/** How they compare: the first differences in words. */
export interface Comparison {
  readonly texts: number;
  readonly decoded: number;
  readonly differences: readonly string[];
  readonly refused?: string;
}

/** Compares all texts and tokens of a kind. */
export function compareKind({ tokenizer: document, ids, decoded }: Kind, texts: readonly string[]): Comparison {
  let tokenizer: ModelTokenizer;
  try {
    tokenizer = createTokenizer({ tokenizerJson: JSON.stringify(document) });
  } catch (error) {
    return { texts: 0, decoded: 0, differences: [], refused: String(error) };
  }
  const differences: string[] = [];
  const note = (what: unknown, want: unknown, got: unknown): void => {
    const [wanted, made] = [JSON.stringify(want), JSON.stringify(got)];
    if (wanted !== made) differences.push(`${JSON.stringify(what)}: want ${wanted}, got ${made}`);
  };
  texts.forEach((text, i) => {
    let got: number[] | null;
    try {
      got = tokenizer.encode(text);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      got = null;
    }
    note(text, ids[i], got);
  });
  for (const [id, text] of Object.entries(decoded)) note(Number(id), text, tokenizer.tokenText(Number(id)));
  return { texts: texts.length, decoded: Object.keys(decoded).length, differences };
}

if (import.meta.main) {
  const [directory, ...only] = Deno.args;
  const read = (file: string) => JSON.parse(Deno.readTextFileSync(`${directory}/${file}`));
  const texts: string[] = read("texts.json");
  const total = { kinds: 0, refused: 0, texts: 0, decoded: 0, differences: 0 };
  for (const { name } of [...Deno.readDirSync(directory)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (name === "texts.json" || !name.endsWith(".json") || (only.length > 0 && !only.includes(name))) continue;
    const made = compareKind(read(name), texts);
    total.kinds++;
    total.refused += made.refused === undefined ? 0 : 1;
    total.texts += made.texts;
    total.decoded += made.decoded;
    total.differences += made.differences.length;
    if (made.refused !== undefined) console.log(`${name}: ${made.refused}`);
    if (made.differences.length > 0) console.log(`${name}: ${made.differences.length} differ`);
    for (const line of made.differences.slice(0, 3)) console.log(`  ${line.slice(0, 400)}`);
  }
  console.log(JSON.stringify(total));
}
