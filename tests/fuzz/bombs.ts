/** Small files that stand for very much: each must be refused, or read in bounds. */
import { deflateRawSync, gzipSync } from "node:zlib";
import { concat, withHeader } from "../weights/fixtures.ts";
import { zipOf } from "../weights/formats/pickle_fixtures.ts";
import type { Files } from "./readers.ts";

/** One of them. */
export interface Bomb {
  /** What it is. */
  readonly name: string;
  /** Which reader it is for, by its whole name. */
  readonly reader: string;
  /** Whether it must be refused; else it may be read. */
  readonly isRefused: boolean;
  make(): Files;
}

const MIB = 2 ** 20;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const one = (name: string, bytes: Uint8Array): Files => new Map([[name, bytes]]);
const file = (path: string): Uint8Array => Deno.readFileSync(new URL(`../data/${path}`, import.meta.url));

/** A text over and over, to so many bytes, packed. */
function packed(part: string, bytes: number, before = ""): Uint8Array {
  return gzipSync(concat([encode(before), encode(part.repeat(Math.ceil(bytes / part.length)))]));
}

function explanations(name: string, make: () => Uint8Array): Bomb {
  return { name: `explanations: ${name}`, reader: "explanations", isRefused: true, make: () => one("a", make()) };
}

/** Float32 zeros as numpy has them. */
function zeros(length: number): Uint8Array<ArrayBuffer> {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${length},), }`.padEnd(117) + "\n";
  return concat([
    new Uint8Array([0x93]),
    encode("NUMPY\x01\x00"),
    new Uint8Array([118, 0]),
    encode(header),
    new Uint8Array(4 * length),
  ]);
}

function npz(name: string, arrays: number, length: number): Bomb {
  const make = (): Files => {
    const array = zeros(length);
    const bytes = deflateRawSync(array);
    const part = { bytes, method: 8, listedSize: array.length, crc: 0 };
    return one("a.npz", zipOf(Array.from({ length: arrays }, (_, i) => ({ ...part, name: `${i}.npy` }))));
  };
  return { name: `npz: ${name}`, reader: "npz", isRefused: true, make };
}

function config(name: string, text: () => string): Bomb {
  const make = (): Files => new Map([["config.json", encode(text())]]);
  return { name: `config.json: ${name}`, reader: "model", isRefused: true, make };
}

function tokenizer(name: string, parts: () => object): Bomb {
  const model = { type: "BPE", vocab: { a: 0 }, merges: [] };
  const make = (): Files => one("tokenizer.json", encode(JSON.stringify({ model, ...parts() })));
  return { name: `tokenizer: ${name}`, reader: "tokenizer", isRefused: true, make };
}

function split(Regex: string): object {
  return { pre_tokenizer: { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false } };
}

function sequences(depth: number): object {
  return depth === 0 ? { type: "NFC" } : { type: "Sequence", normalizers: [sequences(depth - 1)] };
}

function parquet(path: string, isRefused = true): Bomb {
  return {
    name: `parquet: ${path}`,
    reader: "prompts, parquet",
    isRefused,
    make: () => one("a", file(`batch/damaged/${path}`)),
  };
}

/** Of empty structs, where the schema is expected. */
function emptyStructs(): Uint8Array {
  const count = 15 * MIB;
  const length = [0, 7, 14, 21].map((shift) => count >> shift & 127 | (shift < 21 ? 128 : 0));
  const index = concat([new Uint8Array([0x15, 2, 0x19, 0xfc, ...length]), new Uint8Array(count), new Uint8Array([0])]);
  const end = new Uint8Array(4);
  new DataView(end.buffer).setUint32(0, index.length, true);
  return concat([encode("PAR1"), index, end, encode("PAR1")]);
}

function manyTensors(): Uint8Array {
  const entries = Array.from({ length: 300_000 }, (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`);
  return withHeader(`{${entries.join(",")}}`);
}

/** All of them. */
export const BOMBS: readonly Bomb[] = [
  explanations("a list of empty records", () => packed("{},", 100 * MIB, "[")),
  explanations("JSON lines of one feature", () => packed('{"index":1,"label":"a"}\n', 100 * MIB)),
  explanations("rows of a CSV", () => packed("1,a\n", 60 * MIB, "index,label\n")),
  explanations("columns of a CSV", () => packed("a,", 60 * MIB, "index,label,")),
  explanations("one text", () => packed("a", 300 * MIB, '{"1":"')),
  explanations("nested lists", () => packed("[", 60 * MIB)),
  explanations("empty lines", () => packed("\n", 100 * MIB)),
  npz("one array of 400 MB", 1, 100 * MIB),
  npz("a hundred arrays of 16 MB", 100, 4 * MIB),
  config("nested lists", () => "[".repeat(4 * MIB)),
  config("nested objects", () => '{"a":'.repeat(MIB / 2)),
  config("empty objects", () => `{"a":[${"{},".repeat(MIB)}{}]}`),
  tokenizer("a pattern that takes for ever", () => split("(?:a+)+b")),
  tokenizer("a pattern of a million repetitions", () => split("(?:(?:a{900}){900}){900}")),
  tokenizer("brackets of a pattern", () => split("(".repeat(5000))),
  tokenizer("nested normalizers", () => ({ normalizer: sequences(3000) })),
  tokenizer("an id of a thousand million", () => ({ added_tokens: [{ id: 1e9, content: "b" }] })),
  tokenizer("a character map that says it is longer", () => ({
    normalizer: { type: "Precompiled", precompiled_charsmap: "/////w==" },
  })),
  parquet("hang.parquet"),
  parquet("lie_rows.parquet"),
  parquet("bomb.parquet"),
  parquet("nulls.parquet", false),
  {
    name: "parquet: an index of empty structs",
    reader: "prompts, parquet",
    isRefused: true,
    make: () => one("a", emptyStructs()),
  },
  {
    name: "safetensors: 300,000 tensors",
    reader: "safetensors",
    isRefused: false,
    make: () => one("a", manyTensors()),
  },
  {
    name: "prompts: nested lists",
    reader: "prompts, jsonl",
    isRefused: false,
    make: () => one("a", encode("[".repeat(4 * MIB))),
  },
  {
    name: "prompts: quotes",
    reader: "prompts, csv",
    isRefused: false,
    make: () => one("a", encode(`prompt\n${'"a\n'.repeat(MIB / 4)}`)),
  },
  {
    name: "YAML: keys",
    reader: "SAE, mwhanna_transcoder",
    isRefused: false,
    make: () =>
      new Map([
        ["config.yaml", encode(Array.from({ length: 350_000 }, (_, i) => `key${i}: 1\n`).join(""))],
        ["layer_1.safetensors", file("formats/qwen3-0.6b-transcoders-lowl0/layer_1.safetensors")],
      ]),
  },
  {
    name: "YAML: empty lines",
    reader: "SAE, temporal",
    isRefused: true,
    make: () =>
      new Map([["conf.yaml", encode("\n".repeat(4 * MIB - 1))], ["latest_ckpt.safetensors", withHeader("{}")]]),
  },
];
