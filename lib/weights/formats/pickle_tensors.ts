/**
 * The tensors of a file written by `torch.save`: a zip with a pickle that names them and one entry for each storage.
 *
 * @module
 */
import { NotFound } from "../../platform/errors.ts";
import { quote } from "../../quote.ts";
import type { ArrayInfo } from "./npz.ts";
import { PickleGlobal, PickleObject, type PickleRules, PickleTuple, type PickleValue, readPickle } from "./pickle.ts";
import { countElements, type Dtype } from "./safetensors.ts";
import type { FileSource } from "../files/file_source.ts";
import { openZip, type ZipSource } from "./zip_source.ts";

/** torch's storage classes. */
const STORAGES: Readonly<Record<string, readonly [dtype: Dtype, bytes: number]>> = {
  "torch DoubleStorage": ["F64", 8],
  "torch FloatStorage": ["F32", 4],
  "torch HalfStorage": ["F16", 2],
  "torch BFloat16Storage": ["BF16", 2],
  "torch LongStorage": ["I64", 8],
  "torch IntStorage": ["I32", 4],
  "torch ShortStorage": ["I16", 2],
  "torch CharStorage": ["I8", 1],
  "torch ByteStorage": ["U8", 1],
  "torch BoolStorage": ["BOOL", 1],
};
const TENSOR = "torch._utils _rebuild_tensor_v2";
const PARAMETER = "torch._utils _rebuild_parameter";
const DICT = "collections OrderedDict";
const SIZE = "torch Size";
/** Written before every pickle of the layout that torch 1.6 replaced: PROTO 2 and a magic number. */
const LEGACY = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const MAX_PICKLE_BYTES = 8 * 2 ** 20;
const MAX_RANK = 16;

interface Storage {
  readonly dtype: Dtype;
  readonly bytes: number;
  readonly key: string;
}

interface Tensor {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** A `torch.save` file: its tensors (their `file` is an entry of the zip) and where to read them. */
export interface TorchFile {
  readonly zip: ZipSource;
  readonly tensors: readonly ArrayInfo[];
  /** The dict's other keys. */
  readonly others: readonly string[];
}

/**
 * Opens a `torch.save` file that holds a dict of tensors by names or numbers, or one alone, here called `tensor`. The
 * pickle in it is read, not run: see {@linkcode readPickle}. Of entries of the dict that are no tensors only the keys are
 * kept.
 *
 * @throws {SyntaxError} if it is no such file, malformed, or cut
 * @throws {RangeError} if its pickle names anything but tensors and plain containers, or it is of a layout that is not supported
 */
export async function openTorchFile(source: FileSource, file: string): Promise<TorchFile> {
  await refuseLegacy(source, file);
  const zip = await openZip(source, file);
  const pickles = [...zip.entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) throw new SyntaxError(`Cannot read ${file}: it is no torch.save file (no data.pkl in it)`);
  const root = pickles[0].slice(0, -"/data.pkl".length);
  if (zip.entries.has(`${root}/constants.pkl`)) {
    throw new RangeError(`Cannot read ${file}: it is a TorchScript program; save its state_dict() with torch.save`);
  }
  const order = zip.entries.has(`${root}/byteorder`) ? await zip.readText(`${root}/byteorder`, 16) : "little";
  if (order !== "little") throw new RangeError(`Cannot read ${file}: its byte order is ${quote(order)}`);
  const { size } = zip.entries.get(pickles[0])!;
  if (size > MAX_PICKLE_BYTES) throw new RangeError(`Cannot read ${file}: its pickle has ${size} bytes`);
  const value = readPickle(await zip.read(pickles[0], 0, size), file, RULES);
  const items: unknown = value instanceof PickleObject && isTensor(value.value) ? new Map([[LONE, value]]) : value;
  if (!(items instanceof Map)) throw new RangeError(`Cannot read ${file}: it holds no tensor and no dict of tensors`);
  const named = [...items].flatMap(([key, item]): [string, unknown][] =>
    typeof key === "string" || typeof key === "number" ? [[String(key), item]] : []
  );
  const tensors = named.flatMap(([name, item]) => {
    const tensor = item instanceof PickleObject ? item.value : undefined;
    return isTensor(tensor) ? [locate(name, tensor, root, zip, file)] : [];
  });
  const names = new Set(tensors.map(({ name }) => name));
  const others = named.flatMap(([name]) => names.has(name) ? [] : [name]);
  return { zip, tensors, others };
}

async function refuseLegacy(source: FileSource, file: string): Promise<void> {
  const size = await source.size(file);
  if (size === undefined) throw new NotFound(`Cannot read ${source.location}/${file}: no such file`);
  const start = await source.read(file, 0, Math.min(size, LEGACY.length));
  if (start.length === LEGACY.length && LEGACY.every((byte, i) => start[i] === byte)) {
    throw new RangeError(
      `Cannot read ${file}: it is in the layout from before torch 1.6; load it with torch and save it again`,
    );
  }
}

/** The name of a tensor that is in no dict. */
const LONE = "tensor";

/** What the pickle of a file of tensors may name. */
const RULES: PickleRules = {
  globals: new Set([...Object.keys(STORAGES), TENSOR, PARAMETER, DICT, SIZE]),
  calls: {
    [TENSOR]: ([storage, offset, shape, strides]) => {
      const from = storage instanceof PickleObject ? storage.value : undefined;
      const [sizes, steps] = [counts(shape), counts(strides)];
      if (!isStorage(from) || !isCount(offset) || !sizes || !steps || sizes.length !== steps.length) {
        throw new SyntaxError("Cannot read the pickle: a tensor in it is malformed");
      }
      return new PickleObject({ storage: from, offset, shape: sizes, strides: steps } satisfies Tensor);
    },
    [PARAMETER]: ([tensor]) => {
      if (!(tensor instanceof PickleObject) || !isTensor(tensor.value)) {
        throw new SyntaxError("Cannot read the pickle: a parameter in it is no tensor");
      }
      return tensor;
    },
    [DICT]: (args) => {
      if (args.length > 0) throw new RangeError("Cannot read the pickle: an OrderedDict made of something else");
      return new Map();
    },
    [SIZE]: ([items]) => items instanceof PickleTuple ? items : null,
  },
  persistent(id) {
    const [kind, type, key] = id instanceof PickleTuple ? id.items : [];
    const storage = type instanceof PickleGlobal && Object.hasOwn(STORAGES, type.name)
      ? STORAGES[type.name]
      : undefined;
    if (kind !== "storage" || !storage || typeof key !== "string") {
      throw new SyntaxError("Cannot read the pickle: it refers to a storage in a way that torch does not");
    }
    return new PickleObject({ dtype: storage[0], bytes: storage[1], key } satisfies Storage);
  },
};

/** Where a tensor's numbers lie, checked against its storage. */
function locate(name: string, tensor: Tensor, root: string, zip: ZipSource, file: string): ArrayInfo {
  const { storage: { dtype, bytes, key }, shape, strides } = tensor;
  const entry = zip.entries.get(`${root}/data/${key}`);
  const quoted = quote(name);
  if (!entry) throw new SyntaxError(`Cannot read ${file}: the storage of tensor ${quoted} is not in it`);
  const numbers = countElements(shape);
  const last = numbers === 0 ? -1 : shape.reduce((sum, size, i) => sum + (size - 1) * strides[i], 0);
  const end = (tensor.offset + last + 1) * bytes;
  if (!Number.isSafeInteger(end) || end > entry.size || !Number.isSafeInteger(numbers * bytes)) {
    throw new SyntaxError(`Cannot read ${file}: tensor ${quoted} reaches beyond its storage of ${entry.size} bytes`);
  }
  return {
    name,
    dtype,
    shape: Object.freeze([...shape]),
    order: orderOf(shape, strides),
    file: entry.name,
    offset: tensor.offset * bytes,
    byteLength: numbers * bytes,
  };
}

function orderOf(shape: readonly number[], strides: readonly number[]): ArrayInfo["order"] {
  if (isDense(shape, strides)) return "C";
  return isDense([...shape].reverse(), [...strides].reverse()) ? "F" : "other";
}

/** Whether each stride is the product of the sizes after it; where a size is 1 it does not matter. */
function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let step = 1;
  for (let i = shape.length - 1; i >= 0; step *= shape[i--]) {
    if (shape[i] !== 1 && strides[i] !== step) return false;
  }
  return true;
}

function isTensor(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && "strides" in value;
}

function isStorage(value: unknown): value is Storage {
  return typeof value === "object" && value !== null && "key" in value;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function counts(value: PickleValue | undefined): number[] | undefined {
  if (!(value instanceof PickleTuple) || value.items.length > MAX_RANK) return undefined;
  return value.items.every(isCount) ? value.items as number[] : undefined;
}
