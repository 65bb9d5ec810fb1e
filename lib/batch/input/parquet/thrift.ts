import { type Bytes, damaged } from "./bytes.ts";

const [BYTE, DOUBLE, BINARY, LIST, STRUCT] = [3, 7, 8, 9, 12];
const MAX_DEPTH = 16;

/**
 * Passes a struct of Thrift's compact protocol without making anything of it: what is in it is of known kinds, ends within
 * the bytes, is not deeply nested, and not more than `most` values.
 *
 * @throws {SyntaxError} if it is not so
 */
export function checkThrift(bytes: Bytes, most: number): void {
  let count = 0;
  const value = (type: number, depth: number): void => {
    if (++count > most) throw damaged(`its index has more than ${most} values`);
    if (depth > MAX_DEPTH) throw damaged(`its index is nested more than ${MAX_DEPTH} deep`);
    if (type === 1 || type === 2) return; // true and false
    if (type === BYTE) bytes.skip(1);
    else if (type > BYTE && type < DOUBLE) bytes.varint();
    else if (type === DOUBLE) bytes.skip(8);
    else if (type === BINARY) bytes.skip(bytes.varint());
    else if (type === LIST) list(depth);
    else if (type === STRUCT) struct(depth);
    else throw damaged(`its index has a value of the kind ${type}`);
  };
  const list = (depth: number): void => {
    const head = bytes.byte();
    const length = head >> 4 === 15 ? bytes.varint() : head >> 4;
    const type = head & 15;
    for (let i = 0; i < length; i++) value(type === 1 || type === 2 ? BYTE : type, depth + 1);
  };
  const struct = (depth: number): void => {
    for (let head = bytes.byte(); (head & 15) !== 0; head = bytes.byte()) {
      if (head >> 4 === 0) bytes.varint(); // the field's number; else its distance from the one before
      value(head & 15, depth + 1);
    }
  };
  struct(0);
}
