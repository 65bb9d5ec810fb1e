/**
 * Whether a parsed JSON value is an object.
 *
 * @example
 * ```ts
 * console.log(isRecord({}), isRecord([]), isRecord(null)); // true false false
 * ```
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Parses a JSON object, and refuses one with a key given twice in it or in the objects directly inside it, where
 * `JSON.parse` would silently keep the last.
 *
 * @example
 * ```ts
 * console.log(parseJsonObject('{"a":{"b":1}}', "index")); // { a: { b: 1 } }
 * ```
 */
export function parseJsonObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SyntaxError(`Cannot read ${what}: ${reason}`, { cause });
  }
  if (!isRecord(value)) throw new SyntaxError(`Cannot read ${what}: it is not a JSON object`);
  let kept = Object.keys(value).length;
  for (const inner of Object.values(value)) {
    if (isRecord(inner)) kept += Object.keys(inner).length;
  }
  if (kept !== countKeys(text)) throw new SyntaxError(`Cannot read ${what}: a key is given twice`);
  return value;
}

/** Keys in the two outer levels of valid JSON text: there each colon outside strings follows one. */
function countKeys(text: string): number {
  let count = 0;
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') i = endOfString(text, i);
    else if (char === "{" || char === "[") depth++;
    else if (char === "}" || char === "]") depth--;
    else if (char === ":" && depth <= 2) count++;
  }
  return count;
}

function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === "\\" ? 2 : 1;
  return i;
}
