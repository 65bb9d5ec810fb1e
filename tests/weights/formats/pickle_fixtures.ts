/** What the tests of zip and pickle files share: writers that can lie. */
import { crc32, inflateRawSync } from "node:zlib";
import { concat } from "../fixtures.ts";

/** An entry to write, and what the directory is to say of it. */
export interface ZipPart {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly method?: number;
  readonly flags?: number;
  readonly listedSize?: number;
  readonly listedCompressed?: number;
  readonly header?: number;
  /** Default: the true one. */
  readonly crc?: number;
}

/** A zip file of these entries. */
export function zipOf(
  parts: readonly ZipPart[],
  { zip64 = false, comment = "", count = parts.length }: { zip64?: boolean; comment?: string; count?: number } = {},
): Uint8Array {
  const local: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  for (const part of parts) {
    const { name, bytes, method = 0, flags = 0, listedSize = bytes.length, listedCompressed = bytes.length } = part;
    const encoded = new TextEncoder().encode(name);
    const header = part.header ?? at;
    const crc = part.crc ?? crcOf(bytes, method);
    const start = fields(
      [4, 0x04034b50],
      [2, 20],
      [2, flags],
      [2, method],
      [4, 0],
      [4, crc],
      [4, bytes.length],
      [
        4,
        listedSize,
      ],
      [2, encoded.length],
      [2, 0],
    );
    local.push(start, encoded, bytes);
    at += start.length + encoded.length + bytes.length;
    const wide = 0xffffffff;
    const extra = zip64
      ? fields([2, 1], [2, 24], [8, listedSize], [8, listedCompressed], [8, header])
      : new Uint8Array(0);
    central.push(
      fields(
        [4, 0x02014b50],
        [2, 20],
        [2, 20],
        [2, flags],
        [2, method],
        [4, 0],
        [4, crc],
        [
          4,
          zip64 ? wide : listedCompressed,
        ],
        [4, zip64 ? wide : listedSize],
        [2, encoded.length],
        [2, extra.length],
        [2, 0],
        [2, 0],
        [2, 0],
        [4, 0],
        [
          4,
          zip64 ? wide : header,
        ],
      ),
      encoded,
      extra,
    );
  }
  const directory = concat(central);
  const end64 = zip64
    ? [
      fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, count], [8, count], [
        8,
        directory.length,
      ], [8, at]),
      fields([4, 0x07064b50], [4, 0], [8, at + directory.length], [4, 1]),
    ]
    : [];
  const encodedComment = new TextEncoder().encode(comment);
  const few = zip64 ? 0xffff : count;
  const end = fields([4, 0x06054b50], [2, 0], [2, 0], [2, few], [2, few], [4, zip64 ? 0xffffffff : directory.length], [
    4,
    zip64 ? 0xffffffff : at,
  ], [2, encodedComment.length]);
  return concat([...local, directory, ...end64, end, encodedComment]);
}

/** Of the entry itself; 0 for what cannot be inflated. */
function crcOf(bytes: Uint8Array, method: number): number {
  try {
    return crc32(method === 8 ? inflateRawSync(bytes) : bytes);
  } catch {
    return 0;
  }
}

function fields(...values: readonly (readonly [bytes: number, value: number])[]): Uint8Array {
  const whole = new Uint8Array(values.reduce((sum, [bytes]) => sum + bytes, 0));
  const view = new DataView(whole.buffer);
  let at = 0;
  for (const [bytes, value] of values) {
    if (bytes === 8) view.setBigUint64(at, BigInt(value), true);
    else if (bytes === 4) view.setUint32(at, value, true);
    else view.setUint16(at, value, true);
    at += bytes;
  }
  return whole;
}

/** Deflated without a header, as zips have it. */
export async function deflateRaw(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
