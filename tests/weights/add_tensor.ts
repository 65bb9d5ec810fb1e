/** Adds an empty tensor to a safetensors file. */
export async function addTensor(file: string, name: string): Promise<void> {
  const bytes = await Deno.readFile(file);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const text = JSON.stringify({ ...header, [name]: { dtype: "F32", shape: [0], data_offsets: [0, 0] } });
  const json = new TextEncoder().encode(text);
  const changed = new Uint8Array(8 + json.length + bytes.length - 8 - length);
  new DataView(changed.buffer).setBigUint64(0, BigInt(json.length), true);
  changed.set(json, 8);
  changed.set(bytes.subarray(8 + length), 8 + json.length);
  await Deno.writeFile(file, changed);
}
