/**
 * A WebAssembly assembler: functions of integers, floats and vectors of four floats, to the bytes of a module.
 *
 * Code is bytes; an instruction is a function of its operands' code. Only what the kernels use is here.
 * Source: the binary format of WebAssembly 3.0, https://webassembly.github.io/spec/core/binary/.
 *
 * @module
 */

/**
 * The bytes of some instructions, as they were put together: a tree, so that putting together copies nothing. A function
 * in it stands for its index in the module.
 */
export type Code = number | FunctionBuilder | readonly Code[];

/** A type of a value. */
export type ValueType = "i32" | "f32" | "f64" | "v128";

const TYPES: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** A variable of a function. */
export interface Local {
  readonly type: ValueType;
  /** Its value. */
  readonly get: Code;
  /** Gives it a value. */
  set(value: Code): Code;
}

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  if (value < 128) return [value];
  const bytes: number[] = [];
  for (;;) {
    const low = value % 128;
    value = Math.floor(value / 128);
    if (value === 0) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** Signed LEB128 of 32 bits. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const low = value & 0x7f;
    value >>= 7;
    if ((value === 0 && (low & 0x40) === 0) || (value === -1 && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** A function's index in a module. */
type IndexOf = (callee: FunctionBuilder) => number;

/** All bytes of a tree. */
function flatten(code: readonly Code[], indexOf: IndexOf, into: number[] = []): number[] {
  for (let i = 0; i < code.length; i++) {
    const part = code[i];
    if (typeof part === "number") into.push(part);
    else if (part instanceof FunctionBuilder) into.push(...unsigned(indexOf(part)));
    else flatten(part, indexOf, into);
  }
  return into;
}

/** Instructions one after another. */
export const sequence = (...parts: readonly Code[]): Code => parts;

type Unary = (x: Code) => Code;
type Binary = (a: Code, b: Code) => Code;

const unary = (...bytes: number[]): Unary => (x) => [x, bytes];
const binary = (...bytes: number[]): Binary => (a, b) => [a, b, bytes];
const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];

/** Where in memory, past an address: `align` is the power of two that it is a multiple of. */
const at = (align: number, offset: number): number[] => [align, ...unsigned(offset)];

const bytesOf = (values: Float32Array | Int32Array): number[] => [...new Uint8Array(values.buffer)];

/** A vector of four times the same four bytes. */
const constant = (bytes: readonly number[]): Code => [...simd(0x0c), ...bytes, ...bytes, ...bytes, ...bytes];

/** Integers. */
export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  and: binary(0x71),
  shl: binary(0x74),
  eq: binary(0x46),
  lt_s: binary(0x48),
  ge_s: binary(0x4e),
  load: (address: Code, offset = 0): Code => [address, 0x28, at(2, offset)],
} as const;

/** Single floats. */
export const f32 = {
  const: (value: number): Code => [0x43, ...bytesOf(Float32Array.of(value))],
  load: (address: Code, offset = 0): Code => [address, 0x2a, at(2, offset)],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, 0x38, at(2, offset)],
  add: binary(0x92),
  sub: binary(0x93),
  mul: binary(0x94),
  div: binary(0x95),
  max: binary(0x97),
  demote_f64: unary(0xb6),
} as const;

/** Doubles. */
export const f64 = {
  add: binary(0xa0),
  div: binary(0xa3),
  convert_i32_s: unary(0xb7),
} as const;

/** Vectors of any numbers: memory and bits. */
export const v128 = {
  load: (address: Code, offset = 0): Code => [address, simd(0x00), at(2, offset)],
  /** Four bytes from memory in all lanes. */
  load32_splat: (address: Code, offset = 0): Code => [address, simd(0x09), at(2, offset)],
  /** A vector with one lane from memory. */
  load32_lane: (address: Code, x: Code, lane: number, offset = 0): Code => [
    ...[address, x, simd(0x56), at(2, offset), lane],
  ],
  store: (address: Code, value: Code, offset = 0): Code => [address, value, simd(0x0b), at(2, offset)],
  /** One lane to memory. */
  store32_lane: (address: Code, x: Code, lane: number, offset = 0): Code => [
    ...[address, x, simd(0x5a), at(2, offset), lane],
  ],
  and: binary(...simd(0x4e)),
  /** Bits of the first that the second lacks. */
  andnot: binary(...simd(0x4f)),
  or: binary(...simd(0x50)),
  /** The first's bits where the mask has ones, else the second's. */
  bitselect: (a: Code, b: Code, mask: Code): Code => [a, b, mask, simd(0x52)],
} as const;

/** Vectors of four floats, lane by lane. */
export const f32x4 = {
  /** The same number in all lanes. */
  const: (value: number): Code => constant(bytesOf(Float32Array.of(value))),
  splat: unary(...simd(0x13)),
  extract_lane: (x: Code, lane: number): Code => [x, simd(0x1f), lane],
  /** Lanes of two vectors: 0 … 3 are the first's, 4 … 7 the second's (`i8x16.shuffle`). */
  shuffle: (a: Code, b: Code, lanes: readonly number[]): Code => [
    ...[a, b, simd(0x0d), lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte))],
  ],
  add: binary(...simd(0xe4)),
  sub: binary(...simd(0xe5)),
  mul: binary(...simd(0xe6)),
  div: binary(...simd(0xe7)),
  /** The second where it is smaller, else the first. */
  pmin: binary(...simd(0xea)),
  /** The second where it is larger, else the first. */
  pmax: binary(...simd(0xeb)),
  abs: unary(...simd(0xe0)),
  neg: unary(...simd(0xe1)),
  sqrt: unary(...simd(0xe3)),
  nearest: unary(...simd(0x6a)),
  /** Masks: all bits of a lane, or none. */
  eq: binary(...simd(0x41)),
  lt: binary(...simd(0x43)),
  gt: binary(...simd(0x44)),
} as const;

/** Vectors of two doubles. */
export const f64x2 = {
  add: binary(...simd(0xf0)),
  /** The first two floats of a vector. */
  promote_low_f32x4: unary(...simd(0x5f)),
  extract_lane: (x: Code, lane: number): Code => [x, simd(0x21), lane],
} as const;

/** Vectors of four integers. */
export const i32x4 = {
  /** The same number in all lanes. */
  const: (value: number): Code => constant(bytesOf(Int32Array.of(value))),
  add: binary(...simd(0xae)),
  sub: binary(...simd(0xb1)),
  shl: (x: Code, bits: number): Code => [x, i32.const(bits), simd(0xab)],
  shr_s: (x: Code, bits: number): Code => [x, i32.const(bits), simd(0xac)],
  /** Integers from floats, at the nearest end of the range where they do not fit. */
  trunc_sat_f32x4_s: unary(...simd(0xf8)),
} as const;

/** a · b + c. */
export type MultiplyAdd = (a: Code, b: Code, c: Code) => Code;
/** a · b + c, rounded once where the processor can. Needs relaxed SIMD. */
export const relaxedMultiplyAdd = (a: Code, b: Code, c: Code): Code => [a, b, c, simd(0x105)];
/** a · b + c, rounded twice. */
export const multiplyThenAdd = (a: Code, b: Code, c: Code): Code => f32x4.add(c, f32x4.mul(a, b));

const NOTHING: Code = [];

/** Runs code if an integer is not 0. */
export const when = (
  condition: Code,
  then: Code,
  otherwise: Code = NOTHING,
): Code => [condition, [0x04, 0x40], then, otherwise === NOTHING ? NOTHING : [0x05, otherwise], 0x0b];

/** Runs code while a condition, looked at before each time, is not 0. */
export const loopWhile = (
  condition: Code,
  body: Code,
): Code => [condition, [0x04, 0x40, 0x03, 0x40], body, condition, [0x0d, 0x00, 0x0b, 0x0b]];

/** Adds to a variable. */
export const increase = (local: Local, by: Code): Code => local.set(i32.add(local.get, by));

/** A function under construction. */
export class FunctionBuilder {
  /** Integers: addresses, strides and counts. */
  readonly parameters: readonly Local[];
  readonly #locals: Local[] = [];
  #body: Code = [];

  constructor(parameters: number) {
    this.parameters = Array.from({ length: parameters }, (_, i) => variable("i32", i));
  }

  /** A new variable, 0 at first. */
  local(type: ValueType): Local {
    const made = variable(type, this.parameters.length + this.#locals.length);
    this.#locals.push(made);
    return made;
  }

  /** Several new variables. */
  locals(type: ValueType, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  /** Its instructions. */
  body(...parts: readonly Code[]): this {
    this.#body = parts;
    return this;
  }

  /** As it stands in the code of a module. */
  encode(indexOf: IndexOf): Code {
    const locals = this.#locals.map(({ type }) => [1, TYPES[type]]);
    const code = flatten([unsigned(locals.length), locals, this.#body, 0x0b], indexOf);
    return [unsigned(code.length), code];
  }
}

function variable(type: ValueType, index: number): Local {
  return {
    type,
    get: [0x20, ...unsigned(index)],
    set: (value) => [value, 0x21, ...unsigned(index)],
  };
}

/** Calls a function, which thereby is of the same module. */
export const call = (callee: FunctionBuilder, ...operands: readonly Code[]): Code => [operands, 0x10, callee];

/** The memory that a module works in. */
export interface MemoryLimits {
  /** Pages of 64 KiB. */
  readonly initial: number;
  readonly maximum: number;
  /** Whether threads share it. */
  readonly shared: boolean;
}

/**
 * A module of functions without results that work in a memory, which is imported as `memory` of module `env`.
 *
 * @param exports the functions by name; what they call comes along
 */
export function encodeModule(
  exports: Readonly<Record<string, FunctionBuilder>>,
  { initial, maximum, shared }: MemoryLimits,
): Uint8Array<ArrayBuffer> {
  const functions = new Map<FunctionBuilder, number>();
  const indexOf: IndexOf = (f) => {
    const index = functions.get(f) ?? functions.size;
    functions.set(f, index);
    return index;
  };
  const text = (value: string): Code => {
    const bytes = [...new TextEncoder().encode(value)];
    return [...unsigned(bytes.length), ...bytes];
  };
  const vector = (items: readonly Code[]): readonly Code[] => [unsigned(items.length), items];
  const section = (id: number, content: readonly Code[]): Code => {
    const bytes = flatten(content, indexOf);
    return [id, unsigned(bytes.length), bytes];
  };
  const exported = Object.entries(exports).map(([name, f]) => [text(name), 0x00, unsigned(indexOf(f))]);
  const bodies: Code[] = [];
  for (const f of functions.keys()) bodies.push(f.encode(indexOf)); // a function that is called first here comes next
  const signatures = [...functions.keys()].map(({ parameters }) => [0x60, vector(parameters.map(() => TYPES.i32)), 0]);
  const memory = [text("env"), text("memory"), [0x02, shared ? 0x03 : 0x01], unsigned(initial), unsigned(maximum)];
  return new Uint8Array(flatten([
    [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    section(1, vector(signatures)),
    section(2, vector([memory])),
    section(3, vector(bodies.map((_, i) => unsigned(i)))),
    section(7, vector(exported)),
    section(10, vector(bodies)),
  ], indexOf));
}
