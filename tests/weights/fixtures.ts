import { NotFound } from "../../lib/platform/errors.ts";
import type { FileSource } from "../../lib/weights/files/file_source.ts";

/** What the tests of lib/weights share: files to read, and a server with faults. */

/** A tensor to write: its bytes must fit its dtype and shape. */
export interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** A float32 tensor to write. */
export function f32(name: string, shape: readonly number[], values: Iterable<number>): Entry {
  return { name, dtype: "F32", shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}

/** A safetensors file of these tensors, one after another. */
export function encode(entries: readonly Entry[], metadata: Record<string, string> = { format: "pt" }): Uint8Array {
  const header: [string, unknown][] = [["__metadata__", metadata]];
  let end = 0;
  for (const { name, dtype, shape, bytes } of entries) {
    header.push([name, { dtype, shape, data_offsets: [end, end += bytes.length] }]);
  }
  // By hand, so that a tensor may be named "__proto__".
  const text = `{${header.map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join(",")}}`;
  return withHeader(text, ...entries.map(({ bytes }) => bytes));
}

/** Any header text, its true length (or a lie) before it, data after it. */
export function withHeader(header: string | Uint8Array, ...data: Uint8Array[]): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const prefix = new Uint8Array(8);
  new DataView(prefix.buffer).setBigUint64(0, BigInt(text.length), true);
  return concat([prefix, text, ...data]);
}

/** Arrays of bytes as one. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}

/** Writes files into a new directory, removed after the test. */
export async function withDirectory(
  files: Record<string, Uint8Array | string>,
  test: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    for (const [path, content] of Object.entries(files)) {
      const parent = path.split("/").slice(0, -1).join("/");
      await Deno.mkdir(`${directory}/${parent}`, { recursive: true });
      if (typeof content === "string") await Deno.writeTextFile(`${directory}/${path}`, content);
      else await Deno.writeFile(`${directory}/${path}`, content);
    }
    await test(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** A source of one file that refuses every read outside it. */
export function memorySource(path: string, bytes: Uint8Array): FileSource {
  const close = (): Promise<void> => Promise.resolve();
  return {
    location: "memory",
    size: (asked) => Promise.resolve(asked === path ? bytes.length : undefined),
    read: (asked, offset, length, into = new Uint8Array(length)) => {
      if (asked !== path || offset < 0 || !(offset + length <= bytes.length)) throw new Error("read out of bounds");
      into.set(bytes.subarray(offset, offset + length));
      return Promise.resolve(into.subarray(0, length));
    },
    readText: (asked) =>
      asked === path ? Promise.resolve(new TextDecoder().decode(bytes)) : Promise.reject(new NotFound(asked)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** A repeatable stream of numbers in [0, 1) (mulberry32). */
export function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Serves requests on a free port while the test runs. */
export async function withServer(
  handler: (request: Request) => Response | Promise<Response>,
  test: (base: string) => Promise<void>,
): Promise<void> {
  const onError = (): Response => new Response(null, { status: 500 });
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {}, onError }, handler);
  try {
    await test(`http://127.0.0.1:${server.addr.port}`);
  } finally {
    await server.shutdown();
  }
}

/** Answers a range request from bytes, as a good server does. */
export function answerRange(request: Request, bytes: Uint8Array<ArrayBuffer>, headers: HeadersInit = {}): Response {
  const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "");
  if (!match) return new Response(bytes, { headers });
  const start = Number(match[1]);
  const end = Math.min(Number(match[2]), bytes.length - 1);
  const answer = new Headers(headers);
  if (start >= bytes.length) {
    answer.set("content-range", `bytes */${bytes.length}`);
    return new Response(null, { status: 416, headers: answer });
  }
  answer.set("content-range", `bytes ${start}-${end}/${bytes.length}`);
  return new Response(bytes.slice(start, end + 1), { status: 206, headers: answer });
}
