import type { ByteStorage } from "../../../platform/storage.ts";
import type { ByteRange } from "../../files/ranges.ts";
import type { RangeStore } from "../ranges/range_store.ts";
import { addSpan, type Span } from "../ranges/spans.ts";

/** What was kept at once: its spans one after another, under one key. */
interface Part {
  readonly key: string;
  readonly spans: readonly Span[];
  /** Where the first span begins under the key: after the list of the spans, if they are more than one. */
  readonly header: number;
}

/** A piece of a part, and where it goes. */
interface Piece {
  readonly part: Part;
  readonly offset: number;
  readonly length: number;
  readonly destination: number;
}

const MOST_FREE = 8;
/** Parts with several pieces wanted are read whole up to this size. */
const MOST_AT_ONCE = 8 * 2 ** 20;

/**
 * The parts of a file that have been fetched, in a storage by key: `FILE#START-END`, and where one request of many rows
 * was kept at once `FILE#START-END*COUNT`, which begins with the list of its spans. A part that is not as long as its
 * key says is none: its tab was closed while it was written.
 */
export class KeptParts implements RangeStore {
  readonly #storage: ByteStorage;
  readonly #file: string;
  #parts: Part[];
  #spans: Span[] = [];
  /** What has come and is not kept yet, by where it begins. */
  readonly #coming = new Map<number, Uint8Array>();
  /** Buffers of parts that have been kept: most parts are of one size. */
  readonly #free: Uint8Array[] = [];

  private constructor(storage: ByteStorage, file: string, parts: Part[]) {
    this.#storage = storage;
    this.#file = file;
    this.#parts = parts;
    this.#addUp();
  }

  /** Opens what earlier visits left. */
  static async open(storage: ByteStorage, file: string): Promise<KeptParts> {
    const stored = await storage.list(`${file}#`);
    const parts = await Promise.all(
      stored.map(({ key, size }) => readPart(storage, key, key.slice(file.length), size)),
    );
    return new KeptParts(storage, file, parts.filter((part) => part !== undefined));
  }

  get spans(): readonly Span[] {
    return this.#spans;
  }

  write(offset: number, bytes: Uint8Array, [start, end]: Span): Promise<void> {
    let buffer = this.#coming.get(start);
    if (buffer?.length !== end - start) this.#coming.set(start, buffer = this.#allocate(end - start));
    buffer.set(bytes, offset - start);
    return Promise.resolve();
  }

  async keep(came: readonly Span[]): Promise<void> {
    const spans = came.toSorted(([a], [b]) => a - b);
    const buffers = spans.map(([start]) => this.#coming.get(start)!);
    for (const [start] of spans) this.#coming.delete(start);
    const [[first], [, last]] = [spans[0], spans.at(-1)!];
    const list = spans.length === 1 ? [] : [new Uint8Array(Float64Array.from(spans.flat()).buffer)];
    const key = `${this.#file}#${first}-${last}${spans.length === 1 ? "" : `*${spans.length}`}`;
    // Of a span that was cut off, or that more bytes came for than were asked for, what is known to be right.
    await this.#storage.put(key, [...list, ...spans.map(([start, end], i) => buffers[i].subarray(0, end - start))]);
    if (this.#free.length < MOST_FREE) this.#free.push(...buffers);
    const header = list.reduce((sum, { length }) => sum + length, 0);
    this.#parts = [...this.#parts.filter((part) => part.key !== key), { key, spans, header }];
    this.#addUp();
  }

  #allocate(length: number): Uint8Array {
    const at = this.#free.findIndex((buffer) => buffer.length === length);
    return at < 0 ? new Uint8Array(length) : this.#free.splice(at, 1)[0];
  }

  read(offset: number, into: Uint8Array): Promise<boolean> {
    return this.readParts([{ offset, length: into.length }], into);
  }

  async readParts(parts: readonly ByteRange[], into: Uint8Array): Promise<boolean> {
    let destination = 0;
    const wanted: Piece[] = [];
    for (const { offset, length } of parts) {
      wanted.push(...piecesOf(this.#parts, [offset, offset + length], destination));
      destination += length;
    }
    const gone = new Set<Part>();
    for (const [part, pieces] of Map.groupBy(wanted, (piece) => piece.part)) {
      if (!await this.#readPieces(part.key, pieces, into)) gone.add(part);
    }
    if (gone.size === 0) return true;
    this.#parts = this.#parts.filter((part) => !gone.has(part));
    this.#addUp();
    return false;
  }

  close(): Promise<void> {
    this.#coming.clear();
    this.#free.length = 0;
    return Promise.resolve();
  }

  async #readPieces(key: string, pieces: readonly Piece[], into: Uint8Array): Promise<boolean> {
    const start = Math.min(...pieces.map(({ offset }) => offset));
    const end = Math.max(...pieces.map(({ offset, length }) => offset + length));
    if (pieces.length === 1 || end - start > MOST_AT_ONCE) {
      for (const { offset, length, destination } of pieces) {
        if (!await this.#storage.read(key, offset, into.subarray(destination, destination + length))) return false;
      }
      return true;
    }
    const together = new Uint8Array(end - start);
    if (!await this.#storage.read(key, start, together)) return false;
    for (const { offset, length, destination } of pieces) {
      into.set(together.subarray(offset - start, offset - start + length), destination);
    }
    return true;
  }

  #addUp(): void {
    this.#spans = this.#parts.flatMap(({ spans }) => spans).reduce(addSpan, [] as Span[]);
  }
}

/** A part by the end of its key; undefined where it is not whole. */
async function readPart(storage: ByteStorage, key: string, name: string, size: number): Promise<Part | undefined> {
  const [, start, end, count] = /^#(\d+)-(\d+)(?:\*(\d+))?$/.exec(name) ?? [];
  if (start === undefined) return undefined;
  const spans: Span[] = [[Number(start), Number(end)]];
  if (count === undefined) return isWhole(spans, 0, size) ? { key, spans, header: 0 } : undefined;
  const header = Number(count) * 16;
  const numbers = new Float64Array(header <= size ? Number(count) * 2 : 0);
  if (numbers.length === 0 || !await storage.read(key, 0, new Uint8Array(numbers.buffer))) return undefined;
  const listed = Array.from({ length: Number(count) }, (_, i): Span => [numbers[2 * i], numbers[2 * i + 1]]);
  return isWhole(listed, header, size) ? { key, spans: listed, header } : undefined;
}

function isWhole(spans: readonly Span[], header: number, size: number): boolean {
  const areRight = spans.every(([start, end]) => [start, end].every(Number.isSafeInteger) && 0 <= start && start < end);
  return areRight && header + spans.reduce((sum, [start, end]) => sum + end - start, 0) === size;
}

/** Which pieces of parts make up a span that they hold together. */
function piecesOf(parts: readonly Part[], [start, end]: Span, destination: number): Piece[] {
  const pieces: Piece[] = [];
  for (let at = start; at < end;) {
    const found = pieceAt(parts, at, end, destination + at - start);
    if (found === undefined) break; // gone: the spans are not what they were when this was asked for
    pieces.push(found);
    at += found.length;
  }
  return pieces;
}

function pieceAt(parts: readonly Part[], at: number, end: number, destination: number): Piece | undefined {
  for (const part of parts) {
    let before = part.header;
    for (const [from, to] of part.spans) {
      if (from <= at && at < to) {
        return { part, offset: before + at - from, length: Math.min(to, end) - at, destination };
      }
      before += to - from;
    }
  }
  return undefined;
}
