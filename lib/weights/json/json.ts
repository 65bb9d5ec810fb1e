import { excerpt } from "../../quote.ts";

/** Deeper nesting than any file that is read here has; more would end in a call stack that is too deep. */
const MAX_DEPTH = 100;
/** Values of a document; each takes memory whatever its text is, up to a hundred bytes. */
const MAX_VALUES = 4_000_000;

/** Whether a parsed JSON value is an object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** How a document may be written. */
export interface JsonOptions {
  /** As Python writes it: NaN and Infinity, which are no JSON, are read as null. */
  readonly python?: boolean;
}

/**
 * Parses JSON from outside: nesting and the number of values are bounded before anything is made of it.
 *
 * @param what it is, for messages
 * @throws {SyntaxError} if it is not JSON, or too large
 */
export function parseJson(text: string, what: string, { python = false }: JsonOptions = {}): unknown {
  const { depth, values } = measure(text);
  if (depth > MAX_DEPTH) throw new SyntaxError(`Cannot read ${what}: it is nested more than ${MAX_DEPTH} deep`);
  if (values > MAX_VALUES) throw new SyntaxError(`Cannot read ${what}: it has more than ${MAX_VALUES} values`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    if (python && /NaN|Infinity/.test(text)) return parseJson(withoutNonFinite(text), what);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`Cannot read ${what}: it is not JSON (${excerpt(reason, 120)})`, { cause });
  }
}

/**
 * Parses a JSON object as {@linkcode parseJson} does.
 *
 * @throws {SyntaxError} if it is not JSON, too large, or no object
 */
export function parseJsonObject(text: string, what: string, options?: JsonOptions): Record<string, unknown> {
  const value = parseJson(text, what, options);
  if (!isRecord(value)) throw new SyntaxError(`Cannot read ${what}: it is not a JSON object`);
  return value;
}

/**
 * Parses a JSON object, and refuses one with a key given twice in it or in the objects directly inside it, where
 * `JSON.parse` would silently keep the last.
 *
 * @throws {SyntaxError} if it is not JSON, too large, no object, or has a key twice
 */
export function parseUniqueObject(text: string, what: string): Record<string, unknown> {
  const value = parseJsonObject(text, what);
  let kept = Object.keys(value).length;
  for (const inner of Object.values(value)) {
    if (isRecord(inner)) kept += Object.keys(inner).length;
  }
  if (kept !== measure(text).outerKeys) throw new SyntaxError(`Cannot read ${what}: a key is given twice`);
  return value;
}

interface Measures {
  readonly depth: number;
  readonly values: number;
  /** Keys in the two outer levels: there each colon outside strings follows one. */
  readonly outerKeys: number;
}

/** What a document has, of valid JSON exactly; of other text about as much as a parser would come across. */
function measure(text: string): Measures {
  let [depth, deepest, values, outerKeys] = [0, 0, 1, 0];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) i = endOfString(text, i);
    else if (code === 0x7b || code === 0x5b) { // { [
      deepest = Math.max(deepest, ++depth);
      values++;
    } else if (code === 0x7d || code === 0x5d) depth--; // } ]
    else if (code === 0x2c) values++; // ,
    else if (code === 0x3a && depth <= 2) outerKeys++; // :
  }
  return { depth: deepest, values, outerKeys };
}

/** Where a string that begins at `start` ends; the text's end where it does not. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charCodeAt(i) !== 0x22) i += text.charCodeAt(i) === 0x5c ? 2 : 1;
  return i;
}

/** NaN and infinities outside strings as null. */
function withoutNonFinite(text: string): string {
  const parts: string[] = [];
  for (let at = 0; at < text.length;) {
    const quote = text.indexOf('"', at);
    const end = quote < 0 ? text.length : quote;
    parts.push(text.slice(at, end).replace(/-?Infinity|NaN/g, "null"));
    at = quote < 0 ? end : endOfString(text, quote) + 1;
    if (quote >= 0) parts.push(text.slice(quote, at));
  }
  return parts.join("");
}
