import assert from "node:assert/strict";
import { bytesToFill, type FloatDtype, isFloatDtype, widenInPlace } from "../../../lib/weights/tensors/floats.ts";

const PATTERNS = Uint16Array.from({ length: 65_536 }, (_, i) => i);

function widenAll(dtype: Exclude<FloatDtype, "F64">): Float32Array {
  // One number before, so that the destination does not begin at its buffer's start.
  const into = new Float32Array(PATTERNS.length + 1).subarray(1);
  bytesToFill(dtype, into).set(new Uint8Array(PATTERNS.buffer));
  widenInPlace(dtype, into);
  return into;
}

/** IEEE 754 binary16 by its definition. */
function half(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

Deno.test("every float16 pattern widens exactly", () => {
  const wide = widenAll("F16");
  for (const bits of PATTERNS) assert.ok(Object.is(wide[bits], half(bits)), `0x${bits.toString(16)}: ${wide[bits]}`);
});

Deno.test("a float16 NaN keeps its sign and payload", () => {
  const wide = widenAll("F16");
  const bits = new Uint32Array(wide.buffer, wide.byteOffset, wide.length);
  assert.equal(bits[0xfe01], 0xffc02000);
  assert.equal(bits[0x7c01], 0x7f802000);
});

Deno.test("every bfloat16 pattern is the upper half of its float32", () => {
  const wide = widenAll("BF16");
  const view = new DataView(wide.buffer, wide.byteOffset);
  for (const bits of PATTERNS) {
    assert.equal(view.getUint32(4 * bits, true), bits * 65_536);
    const exponent = (bits >> 7) & 255;
    const [sign, fraction] = [bits >> 15 ? -1 : 1, bits & 127];
    const value = exponent === 255
      ? fraction ? NaN : sign * Infinity
      : exponent === 0
      ? sign * fraction * 2 ** -133
      : sign * (1 + fraction / 128) * 2 ** (exponent - 127);
    assert.ok(Object.is(wide[bits], value), `0x${bits.toString(16)}: ${wide[bits]}, not ${value}`);
  }
});

Deno.test("float32 is read in place and stays as it is", () => {
  const into = new Float32Array([1, 2]);
  assert.equal(bytesToFill("F32", into).length, 8);
  widenInPlace("F32", into);
  assert.deepEqual([...into], [1, 2]);
});

Deno.test("integers and eight-bit floats are no float dtypes", () => {
  assert.equal(isFloatDtype("F64"), true);
  for (const dtype of ["I64", "BOOL", "U8", "F8_E4M3", "C64"] as const) assert.equal(isFloatDtype(dtype), false);
});
