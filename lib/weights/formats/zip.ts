import { NotFound } from "../../platform/errors.ts";
import { quote } from "../../quote.ts";
import { makeGate, settleAll } from "../../concurrency.ts";
import type { FileSource } from "../files/file_source.ts";

/** One file inside a zip. */
export interface ZipEntry {
  readonly name: string;
  readonly method: "stored" | "deflated";
  /** Bytes of the entry itself. */
  readonly size: number;
  /** Bytes that it takes in the zip. */
  readonly compressedSize: number;
  /** CRC-32 of the entry itself. */
  readonly crc: number;
  /** The first byte of its data in the zip. */
  readonly offset: number;
}

const END = 0x06054b50;
const END_64 = 0x06064b50;
const LOCATOR_64 = 0x07064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;
const END_BYTES = 22;
const MAX_COMMENT = 65_535;
const MAX_ENTRIES = 10_000;
const MAX_DIRECTORY_BYTES = 4 * 2 ** 20;
/** Deflate makes at most 1032 bytes of one. */
const MAX_RATIO = 1032;
/** What numbers are deflated by is 1.1 to 2, with many zeros more: entries of more than this are no numbers … */
const MAX_MEAN_RATIO = 16;
/** … unless they are small, all together. */
const MAX_SMALL_BYTES = 64 * 2 ** 20;
const METHODS: Readonly<Record<number, ZipEntry["method"]>> = { 0: "stored", 8: "deflated" };

/**
 * Reads the directory of a zip file, zip64 too: every entry by name, none outside the file, none on another, none
 * that claims to be larger than its bytes can be.
 *
 * @throws {SyntaxError} if it is no zip, or malformed
 * @throws {RangeError} if it is a kind of zip that is not supported (encrypted, several disks, other compressions)
 */
export async function readZip(source: FileSource, file: string): Promise<ReadonlyMap<string, ZipEntry>> {
  const fileSize = await source.size(file);
  if (fileSize === undefined) throw new NotFound(`Cannot read ${source.location}/${file}: no such file`);
  const { count, offset, length } = await findDirectory(source, file, fileSize);
  if (count > MAX_ENTRIES) throw fail(file, `${count} entries exceed the limit of ${MAX_ENTRIES}`);
  if (length > MAX_DIRECTORY_BYTES) {
    throw fail(file, `a directory of ${length} bytes exceeds the limit of ${MAX_DIRECTORY_BYTES}`);
  }
  if (offset + length > fileSize) throw fail(file, `its directory ends at byte ${offset + length} of ${fileSize}`);
  const listed = parseDirectory(await source.read(file, offset, length), count, file);
  checkExpansion(listed.values(), file);
  const ordered = [...listed.values()].sort((a, b) => a.header - b.header);
  const gate = makeGate(8);
  const entries = await settleAll(ordered.map((entry, i) =>
    gate(async () => {
      const start = await dataStart(source, file, entry, fileSize);
      const next = ordered[i + 1]?.header ?? offset;
      if (start + entry.compressedSize > next) {
        throw fail(file, `entry ${quote(entry.name)} reaches into what follows it`);
      }
      return { ...entry, offset: start };
    })
  ));
  return new Map(entries.map(({ header: _, ...entry }) => [entry.name, entry]));
}

/** Whoever lists gigabytes that lie in a few megabytes means to fill the memory. */
function checkExpansion(entries: Iterable<Listed>, file: string): void {
  const deflated = [...entries].filter(({ method }) => method === "deflated");
  const sum = (of: "size" | "compressedSize"): number => deflated.reduce((sum, entry) => sum + entry[of], 0);
  const [size, compressedSize] = [sum("size"), sum("compressedSize")];
  if (size > MAX_SMALL_BYTES && size > MAX_MEAN_RATIO * compressedSize) {
    throw fail(file, `${compressedSize} bytes expand to ${size}: save it without compression (numpy's savez)`);
  }
}

/** As the central directory lists it. */
type Listed = Omit<ZipEntry, "offset"> & { readonly header: number };

interface Directory {
  readonly count: number;
  readonly offset: number;
  readonly length: number;
}

async function findDirectory(source: FileSource, file: string, fileSize: number): Promise<Directory> {
  const start = Math.max(0, fileSize - END_BYTES - MAX_COMMENT);
  const tail = view(await source.read(file, start, fileSize - start));
  let at = tail.byteLength - END_BYTES;
  while (
    at >= 0 && !(tail.getUint32(at, true) === END && tail.getUint16(at + 20, true) === tail.byteLength - at - 22)
  ) {
    at--;
  }
  if (at < 0) throw fail(file, "it has no end record: it is no zip, or cut");
  const [disk, first, count, total] = [4, 6, 8, 10].map((field) => tail.getUint16(at + field, true));
  const length = tail.getUint32(at + 12, true);
  const offset = tail.getUint32(at + 16, true);
  if ([disk, first, count, total].includes(0xffff) || length === 0xffffffff || offset === 0xffffffff) {
    return await findDirectory64(source, file, fileSize, start + at);
  }
  if (disk !== 0 || first !== 0 || count !== total) {
    throw new RangeError(`Cannot read ${file}: it is one of several disks`);
  }
  return { count, offset, length };
}

async function findDirectory64(source: FileSource, file: string, fileSize: number, end: number): Promise<Directory> {
  if (end < 20) throw fail(file, "it has no zip64 record");
  const locator = view(await source.read(file, end - 20, 20));
  const at = Number(locator.getBigUint64(8, true));
  if (locator.getUint32(0, true) !== LOCATOR_64 || !(at + 56 <= Math.min(end, fileSize))) {
    throw fail(file, "it has no zip64 record");
  }
  const record = view(await source.read(file, at, 56));
  if (record.getUint32(0, true) !== END_64) throw fail(file, "it has no zip64 record");
  if (record.getUint32(16, true) !== 0 || record.getUint32(20, true) !== 0) {
    throw new RangeError(`Cannot read ${file}: it is one of several disks`);
  }
  const [count, length, offset] = [32, 40, 48].map((field) => Number(record.getBigUint64(field, true)));
  return { count, length, offset };
}

function parseDirectory(bytes: Uint8Array, count: number, file: string): Map<string, Listed> {
  const data = view(bytes);
  const entries = new Map<string, Listed>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes.length || data.getUint32(at, true) !== CENTRAL) throw fail(file, `entry ${i} is malformed`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => data.getUint16(at + field, true));
    const end = at + 46 + nameLength + extraLength + commentLength;
    if (end > bytes.length) throw fail(file, `entry ${i} is cut`);
    const name = decodeName(bytes.subarray(at + 46, at + 46 + nameLength), file);
    const entry = parseEntry(data, at, name, bytes.subarray(at + 46 + nameLength, end - commentLength), file);
    if (entries.has(name)) throw fail(file, `entry ${quote(name)} is there twice`);
    entries.set(name, entry);
    at = end;
  }
  return entries;
}

function parseEntry(data: DataView, at: number, name: string, extra: Uint8Array, file: string): Listed {
  const quoted = quote(name);
  if (data.getUint16(at + 8, true) & 0x2041) throw new RangeError(`Cannot read ${file}: entry ${quoted} is encrypted`);
  const code = data.getUint16(at + 10, true);
  const method = METHODS[code];
  if (!method) {
    throw new RangeError(
      `Cannot read ${file}: entry ${quoted} has compression ${code}; supported are none and deflate`,
    );
  }
  const wide = wideFields(extra);
  const field = (where: number): number => {
    const value = data.getUint32(at + where, true);
    return value === 0xffffffff ? wide.shift() ?? value : value;
  };
  const size = field(24); // in the order in which zip64 lists them
  const compressedSize = field(20);
  const header = field(42);
  if (![size, compressedSize, header].every(Number.isSafeInteger)) throw fail(file, `entry ${quoted} is too large`);
  if (method === "stored" ? size !== compressedSize : size > compressedSize * MAX_RATIO) {
    throw fail(file, `entry ${quoted} cannot have ${size} bytes: ${compressedSize} are in the file`);
  }
  return { name, method, size, compressedSize, header, crc: data.getUint32(at + 16, true) };
}

/** The 64-bit numbers of the zip64 extra field. */
function wideFields(extra: Uint8Array): number[] {
  const data = view(extra);
  for (let at = 0; at + 4 <= extra.length;) {
    const length = data.getUint16(at + 2, true);
    if (at + 4 + length > extra.length) break;
    if (data.getUint16(at, true) === 1) {
      return Array.from({ length: length >> 3 }, (_, i) => Number(data.getBigUint64(at + 4 + 8 * i, true)));
    }
    at += 4 + length;
  }
  return [];
}

/** Where an entry's data begin: after its local header, whose extra field may differ from the directory's. */
async function dataStart(
  source: FileSource,
  file: string,
  { header, name }: Listed,
  fileSize: number,
): Promise<number> {
  if (header + 30 > fileSize) throw fail(file, `entry ${quote(name)} lies outside the file`);
  const local = view(await source.read(file, header, 30));
  if (local.getUint32(0, true) !== LOCAL) throw fail(file, `entry ${quote(name)} has no header`);
  return header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
}

function decodeName(bytes: Uint8Array, file: string): string {
  const name = new TextDecoder().decode(bytes);
  const parts = name.replace(/\/$/, "").split("/");
  if (/[\0\\]|^[A-Za-z]:/.test(name) || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw fail(file, `the name ${quote(name)} leads out of it`);
  }
  return name;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function fail(file: string, what: string): SyntaxError {
  return new SyntaxError(`Cannot read the zip file ${file}: ${what}`);
}
