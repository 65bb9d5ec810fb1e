/**
 * What a page's values are encoded in, gone through before they are decoded: everything ends within the page, and no more
 * comes out than the page says.
 *
 * @module
 */
import { type Bytes, damaged } from "./bytes.ts";

const MOST_FILLED = 2 ** 16;

/**
 * Numbers of `width` bits in runs: one repeated, or eight times some one after another.
 *
 * @param most the largest that is allowed
 * @throws {SyntaxError} if a run goes beyond `count`, or a number is too large
 */
export function readRuns(bytes: Bytes, width: number, count: number, most: number): Uint32Array {
  if (width > 32) throw damaged(`its numbers have ${width} bits`);
  const numbers = new Uint32Array(count);
  for (let done = 0; done < count;) {
    const head = bytes.varint();
    const isPacked = head % 2 === 1;
    const length = Math.floor(head / 2) * (isPacked ? 8 : 1);
    // Numbers one after another are filled up at the end: to eight of them, by DuckDB to 256.
    if (length - (isPacked ? MOST_FILLED : 0) > count - done) {
      throw damaged(`a run of ${length} where ${count - done} are left`);
    }
    if (isPacked) unpack(bytes.take(length * width / 8), width, numbers.subarray(done, done + length));
    else numbers.fill(repeated(bytes, width), done, done + length);
    done += length;
  }
  for (const number of numbers) if (number > most) throw damaged(`a number is ${number}, at most ${most} is possible`);
  return numbers;
}

function repeated(bytes: Bytes, width: number): number {
  let value = 0;
  for (let i = 0; 8 * i < width; i++) value += bytes.byte() * 2 ** (8 * i);
  return value;
}

/** Numbers one after another, their lowest bits first. */
function unpack(packed: Uint8Array, width: number, into: Uint32Array): void {
  for (let i = 0, bit = 0; i < into.length; i++) {
    let value = 0;
    for (let got = 0; got < width;) {
      const take = Math.min(8 - bit % 8, width - got);
      value += (packed[bit >> 3] >> bit % 8 & 2 ** take - 1) * 2 ** got;
      got += take;
      bit += take;
    }
    into[i] = value;
  }
}

const MOST_BLOCK = 2 ** 16;

/**
 * Passes numbers in Parquet's delta encoding.
 *
 * @throws {SyntaxError} if they are not `count`, or their blocks are not what the format allows
 */
export function checkDeltas(bytes: Bytes, count: number): void {
  const [block, parts, total] = [bytes.varint(), bytes.varint(), bytes.varint()];
  bytes.varint(); // the first number
  const size = block / parts;
  if (!(block > 0 && block <= MOST_BLOCK) || !Number.isInteger(size) || size % 8 !== 0) {
    throw damaged(`blocks of ${block} in ${parts} parts`);
  }
  if (total !== count) throw damaged(`${total} numbers for ${count}`);
  for (let done = 1; done < count;) {
    bytes.varint(); // the least difference
    const widths = bytes.take(parts);
    for (let i = 0; i < parts && done < count; i++, done += size) {
      if (widths[i] > 64) throw damaged(`differences of ${widths[i]} bits`);
      bytes.skip(size * widths[i] / 8);
    }
  }
}
