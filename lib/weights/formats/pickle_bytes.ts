/** The bytes of a pickle, read one after another; nothing is read past their end. */
export class PickleBytes {
  /** The file's name, for messages. */
  readonly file: string;
  #bytes: Uint8Array;
  #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array, file: string) {
    this.file = file;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The next bytes. */
  skip(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw this.malformed("it is cut");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** One byte. */
  byte(): number {
    return this.skip(1)[0];
  }

  /** A whole number from 0 of 2, 4 or 8 bytes. */
  uint(bytes: 2 | 4 | 8): number {
    const at = this.#at;
    this.skip(bytes);
    if (bytes === 8) return Number(this.#view.getBigUint64(at, true));
    return bytes === 4 ? this.#view.getUint32(at, true) : this.#view.getUint16(at, true);
  }

  /** A whole number of 4 bytes. */
  int32(): number {
    const at = this.#at;
    this.skip(4);
    return this.#view.getInt32(at, true);
  }

  /** A float64, the most significant byte first. */
  float(): number {
    const at = this.#at;
    this.skip(8);
    return this.#view.getFloat64(at, false);
  }

  /** A whole number of any length, two's complement; a bigint if it exceeds 2^53. */
  long(length: number): number | bigint {
    const bytes = this.skip(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = value << 8n | BigInt(bytes[i]);
    if (length > 0 && bytes[length - 1] >= 0x80) value -= 1n << BigInt(8 * length);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  /** UTF-8 of this many bytes. */
  text(length: number): string {
    const bytes = this.skip(length);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw this.malformed("a text is not UTF-8");
    }
  }

  /** A text up to the end of the line. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw this.malformed("it is cut");
    const text = this.text(end - this.#at);
    this.skip(1);
    return text;
  }

  /** The protocol's version. */
  protocol(): void {
    const version = this.byte();
    if (version < 2 || version > 5) throw this.malformed(`its protocol is ${version}`);
  }

  /** The error for bytes that make no sense. */
  malformed(what: string): SyntaxError {
    return new SyntaxError(`Cannot read the pickle ${this.file}: ${what} (at byte ${this.#at})`);
  }
}
