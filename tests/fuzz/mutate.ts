/** Damage, as accidents and attackers do it: to sizes, counts, nesting and text. The same seed does the same. */
import { gunzipSync, gzipSync } from "node:zlib";
import { concat } from "../weights/fixtures.ts";

/** A stream of numbers in [0, 1). */
export type Random = () => number;

/** Sizes and counts that no file has, and the edges of what their types hold. */
const NUMBERS = [-1, 0, 1, 2, 0.5, 127, 255, 65_535, 1e6, 1_000_000_001, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32];
const HUGE = [...NUMBERS, 2 ** 53, 2 ** 63, 1e308, -(2 ** 31)];
const TEXTS = [
  "x".repeat(100_000),
  "\n\x1b[2J\u202e\u2028".repeat(200),
  "a\nb",
  "\ud800",
  "__proto__",
  "../../etc/passwd",
  '"',
  "",
];

const below = (random: Random, limit: number): number => Math.floor(random() * limit);
const pick = <T>(random: Random, list: readonly T[]): T => list[below(random, list.length)];
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** A file with one to three faults of the kinds that its name allows. */
export function mutate(name: string, bytes: Uint8Array, random: Random): Uint8Array {
  if (/\.gz$/.test(name) && random() < 0.7) {
    return new Uint8Array(gzipSync(mutate(name.slice(0, -3), new Uint8Array(gunzipSync(bytes)), random)));
  }
  for (let faults = 1 + below(random, 3); faults > 0; faults--) bytes = fault(name, bytes, random);
  return bytes;
}

function fault(name: string, bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length === 0 || random() < 0.05) return pick(random, [new Uint8Array(), encode("\0"), encode("{}")]);
  if (/\.json$/.test(name)) return random() < 0.7 ? inJson(bytes, random) : inText(bytes, random);
  if (/\.(jsonl|csv|txt|yaml|ipynb)$/.test(name)) return inText(bytes, random);
  if (/\.safetensors$/.test(name) && random() < 0.5) return inHeader(bytes, random);
  return inBytes(bytes, random);
}

/** Some value of a document becomes another, is renamed, or is gone. */
function inJson(bytes: Uint8Array, random: Random): Uint8Array {
  let root: unknown;
  try {
    root = JSON.parse(decode(bytes));
  } catch {
    return inText(bytes, random);
  }
  const places: [Record<string, unknown>, string][] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value).slice(0, 100)) {
      places.push([value as Record<string, unknown>, key]);
      visit(inner);
    }
  };
  visit(root);
  if (places.length === 0) return inText(bytes, random);
  const [parent, key] = pick(random, places);
  const before = parent[key];
  const kind = below(random, 6);
  if (kind <= 1) parent[key] = typeof before === "number" || kind === 0 ? pick(random, HUGE) : pick(random, TEXTS);
  else if (kind === 2) parent[key] = strange(random);
  else if (kind === 3) delete parent[key];
  else {
    const name = pick(random, TEXTS);
    Object.defineProperty(parent, name, { value: before, enumerable: true, configurable: true, writable: true });
    if (kind === 4) delete parent[key];
  }
  return encode(JSON.stringify(root) ?? "");
}

function strange(random: Random): unknown {
  const kind = below(random, 6);
  if (kind === 0) return Array.from({ length: 20_000 }, (_, i) => i);
  if (kind > 1) return [null, true, [], {}][kind - 2];
  let nested: unknown = 1;
  for (let depth = 10 ** (1 + below(random, 3)); depth > 0; depth--) nested = random() < 0.5 ? [nested] : { a: nested };
  return nested;
}

/** In text of any kind: numbers, length, nesting, repetition, characters. */
function inText(bytes: Uint8Array, random: Random): Uint8Array {
  const text = decode(bytes);
  const at = below(random, text.length + 1);
  const insert = (part: string): Uint8Array => encode(text.slice(0, at) + part + text.slice(at));
  switch (below(random, 7)) {
    case 0: {
      const numbers = [...text.matchAll(/-?\d+(\.\d+)?/g)];
      if (numbers.length === 0) return insert(String(pick(random, HUGE)));
      const { index, 0: { length } } = pick(random, numbers);
      return encode(text.slice(0, index) + pick(random, HUGE) + text.slice(index + length));
    }
    case 1:
      return insert(pick(random, TEXTS));
    case 2:
      return insert(pick(random, ["[", '{"a":', "(", "{{", "- "]).repeat(10 ** (1 + below(random, 4))));
    case 3:
      return insert(text.slice(at, at + below(random, 200)).repeat(1 + below(random, 1000)));
    case 4:
      return encode(text.slice(0, at) + text.slice(at + below(random, 100)));
    case 5:
      return insert(pick(random, ["\n", "\r", "\0", "\ufeff", '"', "'", ",", ":", "}", "]", "\t", "NaN", "null"]));
    default:
      return concat([encode(text.slice(0, at)), new Uint8Array([0xff, 0xfe, 0xc3]), encode(text.slice(at))]);
  }
}

/** In the header of a safetensors file, its length made right again. */
function inHeader(bytes: Uint8Array, random: Random): Uint8Array {
  if (bytes.length < 8) return inBytes(bytes, random);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = 8 + Number(view.getBigUint64(0, true));
  if (end > bytes.length) return inBytes(bytes, random);
  const header = inJson(bytes.slice(8, end), random);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(header.length), true);
  return concat([length, header, bytes.slice(end)]);
}

/** In bytes: what is there is changed, cut, doubled, or becomes a number of some width. Most is at both ends. */
function inBytes(bytes: Uint8Array, random: Random): Uint8Array {
  const near = Math.min(bytes.length, 700);
  const at =
    [below(random, near), bytes.length - 1 - below(random, near), below(random, bytes.length)][below(random, 3)];
  const changed = bytes.slice();
  const put = (part: Uint8Array): Uint8Array => {
    changed.set(part.subarray(0, changed.length - at), at);
    return changed;
  };
  switch (below(random, 8)) {
    case 0:
      return put(new Uint8Array([below(random, 256)]));
    case 1:
      changed[at] ^= 1 << below(random, 8);
      return changed;
    case 2:
      return bytes.slice(0, at);
    case 3:
      return concat([bytes.slice(0, at), bytes.slice(Math.max(0, at - below(random, 50)))]);
    case 4: { // a number of one to eight bytes
      const number = new Uint8Array(8);
      new DataView(number.buffer).setBigInt64(0, BigInt(Math.trunc(pick(random, HUGE.slice(0, -2)))), true);
      return put(number.subarray(0, 2 ** below(random, 4)));
    }
    case 5: // seven bits a byte: the largest number, a very long one, nothing
      return put(
        new Uint8Array(pick(random, [[255, 255, 255, 255, 15], [255, 255, 255, 255, 255, 255, 255, 1], [128, 0]])),
      );
    case 6: { // a digit
      const digits = [...bytes.keys()].filter((i) => bytes[i] >= 0x30 && bytes[i] <= 0x39).slice(0, 500);
      if (digits.length > 0) changed[pick(random, digits)] = 0x30 + below(random, 10);
      return changed;
    }
    default:
      return concat([
        bytes.slice(0, at),
        Uint8Array.from({ length: below(random, 20) }, () => 256 * random()),
        bytes.slice(at),
      ]);
  }
}
