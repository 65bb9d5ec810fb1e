/** Adds an empty tensor to a safetensors file. */
export async function addTensor(file: string, name: string): Promise<void> {
  await Deno.writeFile(file, withTensor(await Deno.readFile(file), name, 0));
}

/** The bytes of a safetensors file with one more tensor, of so many zero bytes. */
export function withTensor(bytes: Uint8Array, name: string, size: number): Uint8Array<ArrayBuffer> {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const end = bytes.length - 8 - length;
  const tensor = { dtype: "U8", shape: [size], data_offsets: [end, end + size] };
  const json = new TextEncoder().encode(JSON.stringify({ ...header, [name]: tensor }));
  const changed = new Uint8Array(8 + json.length + end + size);
  new DataView(changed.buffer).setBigUint64(0, BigInt(json.length), true);
  changed.set(json, 8);
  changed.set(bytes.subarray(8 + length), 8 + json.length);
  return changed;
}
