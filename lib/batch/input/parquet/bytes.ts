/**
 * Bytes of a Parquet file, read one after another; none beyond their end.
 *
 * @module
 */

/** The error for bytes that make no sense; the file and the place in it are added by who reads the file. */
export function damaged(what: string): SyntaxError {
  return new SyntaxError(`it is damaged: ${what}`);
}

/** A place in some bytes. */
export class Bytes {
  /** All of them. */
  readonly bytes: Uint8Array;
  /** Where the next one is. */
  at = 0;
  #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** How many are left. */
  get left(): number {
    return this.bytes.length - this.at;
  }

  /** Passes some; where they begin. */
  skip(length: number): number {
    if (!(length >= 0 && length <= this.left)) throw damaged("a part of it reaches beyond its end");
    const start = this.at;
    this.at += length;
    return start;
  }

  /** The next ones. */
  take(length: number): Uint8Array {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  /** The next one. */
  byte(): number {
    return this.bytes[this.skip(1)];
  }

  /** A number of four bytes, from 0. */
  uint32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  /** A number of seven bits a byte, of at most ten bytes; beyond 2^53 not exact, as no length may be. */
  varint(): number {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    throw damaged("a number in it does not end");
  }
}
