/**
 * Reads `tokenizer.json`.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import { isRecord, parseJson } from "../../weights/json/json.ts";
import { Irregular, JsonScanner } from "./vocabulary/json_scanner.ts";
import { ScoredVocabulary } from "./vocabulary/scored_vocabulary.ts";
import { Merges, TextVocabulary } from "./vocabulary/vocabulary.ts";

const ADVICE = "download it again from where the model comes from";

/** What `tokenizer.json` says. */
export interface TokenizerDocument {
  /** All but the vocabulary and the merges of the model where they stand below. */
  readonly parts: Readonly<Record<string, unknown>>;
  /** The model's tokens, with ids or with scores. */
  readonly vocabulary?: TextVocabulary | ScoredVocabulary;
  /** The model's merges, where it has any. */
  readonly merges?: Merges;
}

/** Reads it. What is damaged is a SyntaxError. */
export function readDocument(text: string): TokenizerDocument {
  try {
    return scan(text);
  } catch (error) {
    if (!(error instanceof Irregular || error instanceof SyntaxError)) throw error;
    parse(text, "tokenizer.json"); // says where it is no JSON
    throw malformed("tokenizer.json", error.message);
  }
}

function scan(text: string): TokenizerDocument {
  const scanner = new JsonScanner(text);
  if (!scanner.isAtObject()) throw new Irregular("it is not a JSON object");
  let vocabulary: TokenizerDocument["vocabulary"];
  let merges: Merges | undefined;
  const parts = scanEntries(scanner, (key) => {
    if (key !== "model" || !scanner.isAtObject()) return undefined;
    return scanEntries(scanner, (key) => {
      if (key === "vocab" && scanner.isAtObject()) vocabulary = new TextVocabulary(text, scanner);
      else if (key === "vocab" && scanner.isAtList()) vocabulary = new ScoredVocabulary(scanner);
      else if (key === "merges" && scanner.isAtList()) merges = new Merges(text, scanner);
      else return undefined;
      return {};
    });
  });
  if (!scanner.isAtEnd()) throw new Irregular("it goes on after its end");
  return { parts, vocabulary, merges };
}

/** An object's entries: what `scanValue` steps over itself, and the others as they are. */
function scanEntries(scanner: JsonScanner, scanValue: (key: string) => object | undefined): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  scanner.object(() => {
    const key = scanner.text();
    if (Object.hasOwn(found, key) || key === "__proto__") throw new Irregular(`it has ${quote(key)} twice`);
    found[key] = scanValue(key) ?? parseJson(scanner.skip(), "tokenizer.json");
  });
  return found;
}

/** A JSON object of a small file. */
export function parseObject(text: string, file: string): Record<string, unknown> {
  const value = parse(text, file);
  if (!isRecord(value)) throw malformed(file, "it is not a JSON object");
  return value;
}

/** JSON whose nesting and number of values are bounded. */
function parse(text: string, file: string): unknown {
  try {
    return parseJson(text, file);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SyntaxError(`${error.message}: ${ADVICE}`, { cause: error });
  }
}

/** What is thrown about a file that is damaged. */
export function malformed(file: string, what: string): SyntaxError {
  return new SyntaxError(`Cannot read ${file}: ${what}: ${ADVICE}`);
}
