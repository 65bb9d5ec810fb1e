/**
 * Writing tensors as a safetensors file.
 *
 * @module
 */

/** A tensor to write: float32, or 64-bit integers. */
export interface WritableTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/**
 * The bytes of a safetensors file, in chunks.
 *
 * @param metadata texts for `__metadata__`
 * @throws {RangeError} if a tensor's elements do not fill its dimensions
 */
export function* safetensorsChunks(
  tensors: Readonly<Record<string, WritableTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array> {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const [name, { dims, data }] of Object.entries(tensors)) {
    const size = dims.reduce((a, b) => a * b, 1);
    if (size !== data.length) {
      throw new RangeError(`"${name}": ${data.length} elements do not fill [${dims.join(", ")}]`);
    }
    const dtype = data instanceof Float32Array ? "F32" : "I64";
    header[name] = { dtype, shape: dims, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const padding = (8 - text.length % 8) % 8;
  const start = new Uint8Array(8 + text.length + padding).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(text.length + padding), true);
  start.set(text, 8);
  yield start;
  for (const { data } of Object.values(tensors)) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
