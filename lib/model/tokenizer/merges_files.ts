/**
 * A tokenizer from `vocab.json` and `merges.txt`, where a model is older than `tokenizer.json`: what transformers 5's class
 * of it builds from them.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import type { FileSource } from "../../weights/files/file_source.ts";
import { malformed, parseObject } from "./document.ts";

type Json = Readonly<Record<string, unknown>>;

/** Bytes as characters, behind words that it splits itself or that come split. */
const byteLevel = (useRegex: boolean, addPrefixSpace: boolean): Json => ({
  type: "ByteLevel",
  add_prefix_space: addPrefixSpace,
  trim_offsets: true,
  use_regex: useRegex,
});

const QWEN2_WORDS =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** What each class of transformers 5.23 puts around the model. */
const CLASSES: Readonly<Record<string, (addPrefixSpace: boolean) => Json>> = {
  GPT2Tokenizer: (addPrefixSpace) => ({ normalizer: null, pre_tokenizer: byteLevel(true, addPrefixSpace) }),
  Qwen2Tokenizer: (addPrefixSpace) => ({
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: QWEN2_WORDS }, behavior: "Isolated", invert: false },
        byteLevel(false, addPrefixSpace),
      ],
    },
  }),
};

/** The class of a model whose files do not name one. */
const CLASS_OF: Readonly<Record<string, string>> = {
  gpt2: "GPT2Tokenizer",
  gpt_neo: "GPT2Tokenizer",
  qwen2: "Qwen2Tokenizer",
  qwen3: "Qwen2Tokenizer",
};

/** Their special tokens where the files name none. */
const SPECIAL = { bos_token: "<|endoftext|>", eos_token: "<|endoftext|>", unk_token: "<|endoftext|>" };

/** The text of `tokenizer.json`, and of the special tokens' names that the class has where the files have none. */
export interface BuiltTokenizer {
  readonly tokenizerJson: string;
  readonly tokenizerConfigJson: string;
}

/**
 * @param config `config.json`
 * @param tokenizerConfigJson the text of `tokenizer_config.json`, where there is one
 * @returns undefined if the model has no such files
 * @throws {RangeError} if it has the files of a tokenizer that is not read
 * @throws {SyntaxError} if a file is malformed
 */
export async function readMergesFiles(
  source: FileSource,
  config: Json,
  tokenizerConfigJson: string | undefined,
): Promise<BuiltTokenizer | undefined> {
  const [hasVocabulary, hasMerges] = await Promise.all(
    ["vocab.json", "merges.txt"].map(async (file) => await source.size(file) !== undefined),
  );
  const settings: Json = tokenizerConfigJson === undefined
    ? {}
    : parseObject(tokenizerConfigJson, "tokenizer_config.json");
  if (!hasVocabulary || !hasMerges) {
    const other = await otherTokenizer(source);
    if (other === undefined) return undefined;
    throw new RangeError(`${source.location} has a tokenizer in ${other} and no tokenizer.json: ${CONVERT}`);
  }
  const named = settings.tokenizer_class ?? CLASS_OF[String(config.model_type)];
  const name = typeof named === "string" ? named.replace(/Fast$/, "") : "";
  if (!Object.hasOwn(CLASSES, name)) {
    const known = Object.keys(CLASSES).join(" and ");
    throw new RangeError(
      `${source.location} has vocab.json and merges.txt of the class ${quote(named ?? null)}; ` +
        `without tokenizer.json only those of ${known} are read: ${CONVERT}`,
    );
  }
  const [vocabJson, mergesText] = await Promise.all([source.readText("vocab.json"), source.readText("merges.txt")]);
  const tokenizer = {
    version: "1.0",
    added_tokens: [],
    ...CLASSES[name](settings.add_prefix_space === true),
    post_processor: null,
    decoder: byteLevel(true, true),
    model: { type: "BPE", vocab: parseObject(vocabJson, "vocab.json"), merges: readMerges(mergesText) },
  };
  const special = name === "Qwen2Tokenizer" ? { ...SPECIAL, bos_token: null, pad_token: SPECIAL.eos_token } : SPECIAL;
  return {
    tokenizerJson: JSON.stringify(tokenizer),
    tokenizerConfigJson: JSON.stringify({ ...special, ...settings }),
  };
}

const CONVERT =
  "make one with Python's transformers, AutoTokenizer.from_pretrained(DIRECTORY).save_pretrained(DIRECTORY)";

async function otherTokenizer(source: FileSource): Promise<string | undefined> {
  for (const file of ["tokenizer.model", "spiece.model", "tekken.json", "vocab.txt"]) {
    if (await source.size(file) !== undefined) return file;
  }
}

/** A pair a line, as Python's tokenizers reads them. */
function readMerges(text: string): string[][] {
  const lines = text.split(/\r?\n/).filter((line) => !line.startsWith("#version"));
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, i) => {
    const pair = line.split(" ");
    if (pair.length !== 2) throw malformed("merges.txt", `merge ${i + 1} is ${quote(line)}, not two parts`);
    return pair;
  });
}
