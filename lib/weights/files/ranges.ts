/** Some bytes of a file. */
export interface ByteRange {
  /** The first byte. */
  readonly offset: number;
  /** How many bytes. */
  readonly length: number;
}

/** Neighbouring parts that are worth one read, gaps included. */
export interface Block extends ByteRange {
  /** What is wanted of it, ascending. */
  readonly parts: readonly ByteRange[];
  /** Where the first part goes in the destination; the others follow it without gaps. */
  readonly destination: number;
  /** Whether the parts follow each other without gaps, so that the block can be read straight to its destination. */
  readonly whole: boolean;
}

/** No buffer between a file and its destination is longer: 8 MiB. */
export const STAGING_BYTES: number = 8 * 2 ** 20;

/**
 * Groups parts into blocks: an ascending neighbour joins when at most `maxGap` unwanted bytes lie between.
 * A block that has gaps is at most {@linkcode STAGING_BYTES} long.
 */
export function joinParts(parts: readonly ByteRange[], maxGap: number): Block[] {
  const blocks: Block[] = [];
  let destination = 0;
  for (let first = 0; first < parts.length;) {
    const { offset } = parts[first];
    let end = offset + parts[first].length;
    let whole = true;
    let filled = parts[first].length;
    let next = first + 1;
    for (; next < parts.length; next++) {
      const part = parts[next];
      const gap = part.offset - end;
      if (gap < 0 || gap > maxGap) break;
      if ((gap > 0 || !whole) && part.offset + part.length - offset > STAGING_BYTES) break;
      whole &&= gap === 0;
      end = part.offset + part.length;
      filled += part.length;
    }
    blocks.push({ offset, length: end - offset, parts: parts.slice(first, next), destination, whole });
    destination += filled;
    first = next;
  }
  return blocks;
}

/** Copies the wanted parts out of a block's bytes. */
export function scatterBlock(block: Block, bytes: Uint8Array, into: Uint8Array): void {
  let destination = block.destination;
  for (const part of block.parts) {
    const start = part.offset - block.offset;
    into.set(bytes.subarray(start, start + part.length), destination);
    destination += part.length;
  }
}

/** Refuses a range that is not made of whole numbers or does not lie inside the file. */
export function checkRange(path: string, offset: number, length: number, fileSize: number): void {
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(length) || offset < 0 || length < 0) {
    throw new RangeError(`Cannot read ${path}: offset ${offset} and length ${length} must be whole numbers from 0`);
  }
  if (offset + length > fileSize) {
    throw new RangeError(`Cannot read ${path}: bytes ${offset} to ${offset + length} exceed file size ${fileSize}`);
  }
}

/** The first `length` bytes of `into`, or a fresh array where there is none. */
export function destinationFor(path: string, length: number, into?: Uint8Array): Uint8Array {
  if (into === undefined) return new Uint8Array(length);
  if (into.length < length) {
    throw new RangeError(`Cannot read ${path}: ${length} bytes do not fit into an array of ${into.length}`);
  }
  return into.length === length ? into : into.subarray(0, length);
}

/** Checks every part against the file, and their sum against the destination. */
export function checkParts(path: string, parts: readonly ByteRange[], fileSize: number, into: Uint8Array): void {
  let total = 0;
  for (const { offset, length } of parts) {
    checkRange(path, offset, length, fileSize);
    total += length;
  }
  destinationFor(path, total, into);
}

/** Splits parts into batches of at most `maxBytes`, cutting a part that is longer. */
export function* batchParts(parts: readonly ByteRange[], maxBytes: number): Generator<ByteRange[]> {
  let batch: ByteRange[] = [];
  let free = maxBytes;
  for (const part of parts) {
    for (let done = 0; done < part.length;) {
      const length = Math.min(part.length - done, free);
      batch.push({ offset: part.offset + done, length });
      done += length;
      free -= length;
      if (free > 0) continue;
      yield batch;
      batch = [];
      free = maxBytes;
    }
  }
  if (batch.length > 0) yield batch;
}
