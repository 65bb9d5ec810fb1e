const POLYNOMIAL = 0xedb88320;

/** Remainders of one byte, and of that byte with 1, 2 and 3 zero bytes after it: four bytes are taken at a time. */
const TABLES: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const tables = Array.from({ length: 4 }, () => new Uint32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? rest >>> 1 ^ POLYNOMIAL : rest >>> 1;
    tables[0][byte] = rest;
  }
  for (let t = 1; t < 4; t++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = tables[t - 1][byte];
      tables[t][byte] = before >>> 8 ^ tables[0][before & 255];
    }
  }
  return tables;
}

/**
 * The CRC-32 of zip, gzip and PNG.
 *
 * @param before of the bytes that come before these
 */
export function crc32(bytes: Uint8Array, before: number = 0): number {
  const [one, two, three, four] = TABLES;
  const whole = bytes.length - bytes.length % 4;
  let rest = ~before;
  for (let i = 0; i < whole; i += 4) {
    rest ^= bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24;
    rest = four[rest & 255] ^ three[rest >>> 8 & 255] ^ two[rest >>> 16 & 255] ^ one[rest >>> 24];
  }
  for (let i = whole; i < bytes.length; i++) rest = rest >>> 8 ^ one[(rest ^ bytes[i]) & 255];
  return ~rest >>> 0;
}
