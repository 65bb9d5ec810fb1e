/**
 * SHA-1 and SHA-256 of bytes as they come, where the platform has no such hash: WebCrypto wants all of them at once.
 *
 * @see https://doi.org/10.6028/NIST.FIPS.180-4
 * @module
 */

const BLOCK = 64;

/** Takes bytes one after another. */
interface Sha {
  update(bytes: Uint8Array | string): void;
  digest(encoding: "hex"): string;
}

/** Mixes the block at `at` into the state; `words` is scratch. */
type Compress = (state: Int32Array, bytes: Uint8Array, at: number, words: Int32Array) => void;

/** Fractional bits of the primes' square and cube roots; of the cube roots' first 64 the round constants are made. */
function fractions(count: number, root: (prime: number) => number): Int32Array {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return Int32Array.from(primes, (prime) => (root(prime) % 1) * 2 ** 32);
}

const K256 = fractions(64, Math.cbrt);
const K1 = Int32Array.of(0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6);

function readWords(bytes: Uint8Array, at: number, words: Int32Array): void {
  for (let i = 0, p = at; i < 16; i++, p += 4) {
    words[i] = bytes[p] << 24 | bytes[p + 1] << 16 | bytes[p + 2] << 8 | bytes[p + 3];
  }
}

/** Section 6.2.2. */
const compress256: Compress = (state, bytes, at, w) => {
  readWords(bytes, at, w);
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15];
    const y = w[t - 2];
    const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
    const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
    w[t] = w[t - 16] + s0 + w[t - 7] + s1 | 0;
  }
  // One by one: taking an array apart costs as much as the block.
  let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
  for (let t = 0; t < 64; t++) {
    const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
    const t1 = h + s1 + (e & f ^ ~e & g) + K256[t] + w[t] | 0;
    const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
    const t2 = s0 + (a & b ^ a & c ^ b & c) | 0;
    h = g;
    g = f;
    f = e;
    e = d + t1 | 0;
    d = c;
    c = b;
    b = a;
    a = t1 + t2 | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
};

/** Section 6.1.2. */
const compress1: Compress = (state, bytes, at, w) => {
  readWords(bytes, at, w);
  for (let t = 16; t < 80; t++) {
    const x = w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16];
    w[t] = x << 1 | x >>> 31;
  }
  let a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (let t = 0; t < 80; t++) {
    const f = t < 20 ? b & c ^ ~b & d : t >= 40 && t < 60 ? b & c ^ b & d ^ c & d : b ^ c ^ d;
    const next = (a << 5 | a >>> 27) + f + e + K1[t / 20 | 0] + w[t] | 0;
    e = d;
    d = c;
    c = b << 30 | b >>> 2;
    b = a;
    a = next;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
};

const START = {
  sha1: Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0),
  sha256: fractions(8, Math.sqrt),
};

/** Makes a hash. */
export function makeSha(algorithm: "sha1" | "sha256"): Sha {
  const compress = algorithm === "sha1" ? compress1 : compress256;
  const state = START[algorithm].slice();
  const words = new Int32Array(80);
  const rest = new Uint8Array(BLOCK);
  let length = 0;
  const update = (data: Uint8Array | string): void => {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    let at = 0;
    const held = length % BLOCK;
    length += bytes.length;
    if (held > 0) {
      at = Math.min(BLOCK - held, bytes.length);
      rest.set(bytes.subarray(0, at), held);
      if (held + at < BLOCK) return;
      compress(state, rest, 0, words);
    }
    for (; at + BLOCK <= bytes.length; at += BLOCK) compress(state, bytes, at, words);
    rest.set(bytes.subarray(at));
  };
  return {
    update,
    digest: () => {
      const bits = BigInt(length) * 8n;
      update(Uint8Array.of(0x80));
      update(new Uint8Array((2 * BLOCK - 8 - length % BLOCK) % BLOCK));
      const end = new DataView(new ArrayBuffer(8));
      end.setBigUint64(0, bits);
      update(new Uint8Array(end.buffer));
      return Array.from(state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
    },
  };
}
