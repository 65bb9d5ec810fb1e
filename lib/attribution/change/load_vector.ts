/**
 * Steering vectors in files.
 *
 * @module
 */
import { excerpt, quote } from "../../quote.ts";
import { NotFound } from "../../platform/errors.ts";
import { firstNonFinite } from "../../runtime/tensor.ts";
import { SaeFiles, type StoredTensors } from "../../sae/formats/files.ts";
import { openSource } from "../../weights/files/source.ts";
import { readNpyHeader } from "../../weights/formats/npz.ts";
import { countElements } from "../../weights/formats/safetensors.ts";
import { parseJson } from "../../weights/json/json.ts";
import type { Stored } from "../../weights/tensors/stored.ts";
import { same, viewStore } from "../../weights/tensors/view.ts";

/** No model's hook is that wide. */
const MOST_NUMBERS = 2 ** 20;
/** A number in JSON with its comma takes less. */
const MOST_JSON_BYTES = 32 * MOST_NUMBERS;

/**
 * Reads a steering vector: a tensor of a safetensors, npz, npy or torch file (nothing in it is run), or a list of numbers
 * in JSON.
 *
 * @param file a path
 * @param tensor which tensor, where the file has several
 * @returns `[d]`
 * @throws {RangeError | TypeError | SyntaxError} if the file is malformed, or has no such vector of finite numbers
 *
 * @example
 * ```ts
 * import { loadSteeringVector } from "./load_vector.ts";
 *
 * const file = await Deno.makeTempFile({ suffix: ".json" });
 * await Deno.writeTextFile(file, "[0.5, -1, 2]");
 * console.assert((await loadSteeringVector(file)).length === 3);
 * ```
 */
export async function loadSteeringVector(file: string, tensor?: string): Promise<Float32Array> {
  const [, directory, name] = /^(.*?)([^/\\]*)$/s.exec(file)!;
  if (name === "") throw new RangeError(`The vector's file is ${quote(file)}: give a file's name`);
  await using source = openSource(directory === "" ? "." : directory);
  if (await source.size(name) === undefined) throw new NotFound(`Cannot read the vector ${file}: no such file`);
  const isJson = /\.json$/i.test(name);
  if (isJson && tensor !== undefined) throw new RangeError(`${file} is a list of numbers: name no tensor`);
  const vector = isJson
    ? fromJson(await source.readText(name, MOST_JSON_BYTES), file)
    : await readTensor(await tensorsOf(new SaeFiles(source, name), name), file, tensor);
  const at = firstNonFinite(vector);
  if (at >= 0) throw new RangeError(`Number ${at} of the vector in ${file} is ${vector[at]}: give finite ones`);
  return vector;
}

async function tensorsOf(files: SaeFiles, name: string): Promise<StoredTensors> {
  if (/\.(safetensors|npz|pth?)$/i.test(name)) return await files.tensors(name);
  if (!/\.npy$/i.test(name)) {
    throw new RangeError(`${name} is no file of a vector: give .safetensors, .npz, .npy, .pt or .json`);
  }
  const info = await readNpyHeader(files.source, name);
  return new Map([[info.name, { ...info, from: files.source, path: name }]]);
}

async function readTensor(tensors: StoredTensors, file: string, tensor?: string): Promise<Float32Array> {
  if (tensors.size === 0) throw new RangeError(`${file} has no tensor`);
  const names = excerpt([...tensors.keys()].join(", "));
  if (tensor === undefined && tensors.size !== 1) {
    throw new RangeError(`${file} has ${tensors.size} tensors: name one after a colon (${names})`);
  }
  const found: Stored | undefined = tensor === undefined ? [...tensors.values()][0] : tensors.get(tensor);
  if (found === undefined) throw new RangeError(`${file} has no tensor ${quote(tensor)}; it has ${names}`);
  const count = countElements(found.shape);
  if (count === 0 || count > MOST_NUMBERS || count !== Math.max(...found.shape)) {
    throw new RangeError(`The tensor ${quote(found.name)} of ${file} has the shape [${found.shape}]: give one vector`);
  }
  return await viewStore(found.from, { [found.name]: same(found) }).read(found.name);
}

function fromJson(text: string, file: string): Float32Array {
  const list = parseJson(text, file);
  if (!Array.isArray(list) || list.length === 0 || list.length > MOST_NUMBERS) {
    throw new SyntaxError(`${file} is no list of 1 to ${MOST_NUMBERS} numbers`);
  }
  const odd = list.findIndex((value) => typeof value !== "number");
  if (odd >= 0) throw new SyntaxError(`Item ${odd} of the vector in ${file} is ${quote(list[odd])}, no number`);
  return Float32Array.from(list);
}
