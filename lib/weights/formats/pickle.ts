/**
 * Python's pickle format, as far as files of tensors need it: a reader of values that calls nothing.
 *
 * @module
 */
import { quote } from "../../quote.ts";
import { PickleBytes } from "./pickle_bytes.ts";

/** A Python name that the pickle mentions: `torch FloatStorage`. */
export class PickleGlobal {
  /** Module and name. */
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** What the caller's function made of a call: a tensor, a storage. */
export class PickleObject {
  /** What it stands for. */
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

/** A tuple. */
export class PickleTuple {
  /** Its items. */
  readonly items: readonly PickleValue[];
  constructor(items: readonly PickleValue[]) {
    this.items = items;
  }
}

/** A value: whole numbers beyond 2^53 are bigints. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleTuple
  | PickleGlobal
  | PickleObject;

/** What the names in a pickle may be, and what stands for the values that they would make. */
export interface PickleRules {
  /** Names that may be mentioned; every other one ends the reading. */
  readonly globals: ReadonlySet<string>;
  /** Names that may be called, with what the call is taken for. */
  readonly calls: Readonly<Record<string, (args: readonly PickleValue[]) => PickleValue>>;
  /** What a persistent id is taken for. */
  persistent(id: PickleValue): PickleValue;
}

const MAX_BYTES = 8 * 2 ** 20;
/** Each makes at most one value, of about 150 bytes. */
const MAX_INSTRUCTIONS = 1_000_000;
const MARK = Symbol("mark");
type Item = PickleValue | typeof MARK;

/**
 * Reads a pickle of protocol 2 to 5. Nothing is imported or called: a name that the rules do not list, and an
 * instruction that files of tensors have no need of, end the reading.
 *
 * @throws {RangeError} if it mentions another name or instruction than the rules allow
 * @throws {SyntaxError} if it is malformed or cut
 */
export function readPickle(bytes: Uint8Array, file: string, rules: PickleRules): PickleValue {
  if (bytes.length > MAX_BYTES) {
    throw new RangeError(`Cannot read the pickle ${file}: ${bytes.length} bytes exceed the limit of ${MAX_BYTES}`);
  }
  return new Machine(new PickleBytes(bytes, file), rules).run();
}

/** The pickle machine: a stack of values and a memo. It never recurses. */
class Machine {
  #in: PickleBytes;
  #rules: PickleRules;
  #stack: Item[] = [];
  #memo = new Map<number, PickleValue>();

  constructor(bytes: PickleBytes, rules: PickleRules) {
    this.#in = bytes;
    this.#rules = rules;
  }

  run(): PickleValue {
    for (let count = 0; count < MAX_INSTRUCTIONS; count++) {
      const code = this.#in.byte();
      if (code === 0x2e) return this.#pop(); // STOP
      const step = STEPS.get(code);
      if (!step) throw this.#refuse(`the instruction ${REFUSED[code] ?? `0x${code.toString(16)}`}`);
      step(this, this.#in);
    }
    throw new RangeError(`Cannot read the pickle ${this.#in.file}: it has more than ${MAX_INSTRUCTIONS} instructions`);
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  mark(): void {
    this.#stack.push(MARK);
  }

  popTuple(count: number): void {
    const items = Array.from({ length: count }, () => this.#pop()).reverse();
    this.push(new PickleTuple(items));
  }

  markedTuple(): void {
    this.push(new PickleTuple(this.#popToMark()));
  }

  append(items: PickleValue[] = this.#popToMark()): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw this.#in.malformed("it appends to what is no list");
    for (const item of items) list.push(item);
  }

  appendOne(): void {
    this.append([this.#pop()]);
  }

  setItems(items: PickleValue[] = this.#popToMark()): void {
    const map = this.#top();
    if (!(map instanceof Map) || items.length % 2 !== 0) throw this.#in.malformed("it sets items of what is no dict");
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  }

  setItem(): void {
    const value = this.#pop();
    this.setItems([this.#pop(), value]);
  }

  put(index: number = this.#memo.size): void {
    this.#memo.set(index, this.#top());
  }

  get(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.#in.malformed(`it refers to value ${index}, which it has not stored`);
    this.push(value);
  }

  global(name: string): void {
    if (!this.#rules.globals.has(name)) throw this.#refuse(`the Python name ${quote(name.replace(" ", "."))}`);
    this.push(new PickleGlobal(name));
  }

  stackGlobal(): void {
    const [name, module] = [this.#pop(), this.#pop()];
    if (typeof name !== "string" || typeof module !== "string") throw this.#in.malformed("a name is no text");
    this.global(`${module} ${name}`);
  }

  reduce(): void {
    const [args, callee] = [this.#pop(), this.#pop()];
    if (!(callee instanceof PickleGlobal) || !(args instanceof PickleTuple)) {
      throw this.#in.malformed("it calls what is no name, or without a tuple");
    }
    if (!Object.hasOwn(this.#rules.calls, callee.name)) {
      throw this.#refuse(`a call of "${callee.name.replace(" ", ".")}"`);
    }
    this.push(this.#rules.calls[callee.name](args.items));
  }

  persistent(): void {
    this.push(this.#rules.persistent(this.#pop()));
  }

  /** Attributes of a dict, such as a state dict's `_metadata`, are dropped; nothing else may be given any. */
  build(): void {
    const state = this.#pop();
    if (!(this.#top() instanceof Map) || !(state instanceof Map)) throw this.#refuse("attributes of an object (BUILD)");
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) throw this.#in.malformed("its stack is empty");
    return value as PickleValue;
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) throw this.#in.malformed("its stack is empty");
    return value as PickleValue;
  }

  #popToMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw this.#in.malformed("it has no mark");
    const items = this.#stack.splice(at) as PickleValue[];
    return items.slice(1);
  }

  #refuse(what: string): RangeError {
    return new RangeError(
      `Cannot read the pickle ${this.#in.file}: it contains ${what}, which a file of tensors has no need of; ` +
        "nothing of it was run. Save the tensors alone, best as safetensors",
    );
  }
}

/** Instructions by code. */
const STEPS: ReadonlyMap<number, (machine: Machine, bytes: PickleBytes) => void> = new Map([
  [0x80, (_, b) => b.protocol()],
  [0x95, (_, b) => void b.skip(8)], // FRAME
  [0x28, (m) => m.mark()],
  [0x4e, (m) => m.push(null)],
  [0x88, (m) => m.push(true)],
  [0x89, (m) => m.push(false)],
  [0x4a, (m, b) => m.push(b.int32())],
  [0x4b, (m, b) => m.push(b.byte())],
  [0x4d, (m, b) => m.push(b.uint(2))],
  [0x8a, (m, b) => m.push(b.long(b.byte()))],
  [0x47, (m, b) => m.push(b.float())],
  [0x58, (m, b) => m.push(b.text(b.uint(4)))],
  [0x8c, (m, b) => m.push(b.text(b.byte()))],
  [0x8d, (m, b) => m.push(b.text(b.uint(8)))],
  [0x42, (m, b) => m.push(b.skip(b.uint(4)))], // BINBYTES
  [0x43, (m, b) => m.push(b.skip(b.byte()))],
  [0x5d, (m) => m.push([])],
  [0x61, (m) => m.appendOne()],
  [0x65, (m) => m.append()],
  [0x7d, (m) => m.push(new Map())],
  [0x73, (m) => m.setItem()],
  [0x75, (m) => m.setItems()],
  [0x29, (m) => m.popTuple(0)],
  [0x85, (m) => m.popTuple(1)],
  [0x86, (m) => m.popTuple(2)],
  [0x87, (m) => m.popTuple(3)],
  [0x74, (m) => m.markedTuple()],
  [0x71, (m, b) => m.put(b.byte())],
  [0x72, (m, b) => m.put(b.uint(4))],
  [0x94, (m) => m.put()],
  [0x68, (m, b) => m.get(b.byte())],
  [0x6a, (m, b) => m.get(b.uint(4))],
  [0x63, (m, b) => m.global(`${b.line()} ${b.line()}`)],
  [0x93, (m) => m.stackGlobal()],
  [0x52, (m) => m.reduce()],
  [0x51, (m) => m.persistent()],
  [0x62, (m) => m.build()],
]);

/** Names of the instructions that make or call things, for the message. */
const REFUSED: Readonly<Record<number, string>> = {
  0x69: "INST",
  0x6f: "OBJ",
  0x81: "NEWOBJ",
  0x92: "NEWOBJ_EX",
  0x50: "PERSID",
  0x82: "EXT1",
  0x83: "EXT2",
  0x84: "EXT4",
};
