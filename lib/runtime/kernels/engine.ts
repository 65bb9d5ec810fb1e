/**
 * The kernels with their memory and threads: one engine per process.
 *
 * The memory is shared out so: words that threads meet at, their own rooms, then the program that runs, from below; what
 * stays (weights, buffers that files are read into) from above.
 *
 * @module
 */
import { SCRATCH_BYTES } from "./execute.ts";
import { type Hands, openHands } from "./hands.ts";
import { canFuse, encodeKernels } from "./module.ts";
import type { FloatTensor, Tensor, TensorData } from "../tensor.ts";
import { aligned, type Program } from "./plan.ts";
import { CONTROL_BYTES, MAX_THREADS, Team } from "./team.ts";
import { sizeOf } from "./views.ts";

const PAGE_BYTES = 65_536;
/** Address space to ask for, in pages, largest first; memory itself is taken page by page as it is used. */
const ROOMS = [65_535, 49_152, 32_768, 16_384, 8_192, 4_096];

/** All of the address space that this system gives. */
function makeMemory(): WebAssembly.Memory {
  for (const pages of ROOMS) {
    try {
      return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    } catch { // less, then
    }
  }
  throw new Error("This system gives WebAssembly less than 256 MiB of addresses: use another device");
}

/** Kernels, memory and threads. */
export class Engine {
  /** The kernels' names, in the order of their table. */
  readonly kernelNames: readonly string[];
  /** Where programs are put. */
  readonly base: number;
  readonly #hands: Hands;
  readonly #team: Team;
  /** What stays, by where it begins and ends, the highest first. */
  readonly #kept: { readonly start: number; readonly end: number }[];
  /** Where the largest program so far ended. */
  #programsEnd: number;

  /** An engine on compiled kernels. */
  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory) {
    const scratchOf = (thread: number): number => CONTROL_BYTES + thread * aligned(SCRATCH_BYTES);
    this.base = scratchOf(MAX_THREADS);
    this.#programsEnd = this.base;
    this.#hands = openHands(module, memory, scratchOf(0));
    this.kernelNames = Object.keys(this.#hands.kernels);
    this.#team = new Team(this.#hands, (thread) => ({ thread, module, memory, scratch: scratchOf(thread) }));
    const { byteLength } = memory.buffer;
    this.#kept = [{ start: byteLength, end: byteLength }];
  }

  /** How many threads are ready. */
  get threads(): number {
    return this.#team.ready;
  }

  /** Starts threads for programs to come. */
  grow(threads: number): void {
    this.#team.grow(threads);
  }

  /**
   * Numbers that graphs read where they are. They stay until they are released.
   *
   * @throws {RangeError} if they do not fit
   */
  allocate(count: number): Float32Array {
    const bytes = aligned(Math.max(4 * count, 1));
    const start = this.#kept.map(({ start }, i) => {
      const floor = this.#kept[i + 1]?.end ?? this.#programsEnd;
      return start - bytes >= floor ? start - bytes : -1;
    });
    const at = start.findIndex((from) => from >= 0);
    if (at < 0) throw tooLarge(4 * count);
    this.#kept.splice(at + 1, 0, { start: start[at], end: start[at] + bytes });
    return new Float32Array(this.#hands.floats.buffer, start[at], count);
  }

  /** Gives back numbers that were allocated at an address; they must not be used again. */
  release(address: number): void {
    const at = this.#kept.findIndex(({ start, end }) => start === address && end > start);
    if (at >= 0) this.#kept.splice(at, 1);
  }

  /** Whether graphs read an array where it is. */
  readonly holds = (data: TensorData): boolean =>
    data instanceof Float32Array && data.buffer === this.#hands.floats.buffer;

  /**
   * Runs a program.
   *
   * @returns the results, copied
   * @throws {RangeError} if it does not fit into memory, or an index that is looked up is not there
   */
  run(program: Program, inputs: Readonly<Record<string, Tensor>>, threads: number): Record<string, FloatTensor> {
    const { words, floats } = this.#hands;
    this.#programsEnd = Math.max(this.#programsEnd, this.base + program.bytes);
    if (this.#programsEnd > this.#kept.at(-1)!.start) {
      this.#programsEnd = this.base;
      throw tooLarge(program.bytes);
    }
    const from = this.base / 4;
    words.set(program.words, from);
    for (const [word, input] of program.patches) words[from + word] += inputs[input].data.byteOffset;
    for (const [input, address] of program.copies) {
      const { data } = inputs[input];
      if (data instanceof Float32Array) floats.set(data, address / 4);
      else words.set(Int32Array.from(data, toWord), address / 4);
    }
    this.#team.run(from, from + program.length, program.isShared ? threads : 1);
    return Object.fromEntries(program.outputs.map(({ name, dims, place, offset }) => {
      const address = (typeof place === "number" ? place : inputs[place].data.byteOffset) + offset;
      return [name, { dims, data: floats.slice(address / 4, address / 4 + sizeOf(dims)) }];
    }));
  }
}

/** An index as a word; one that does not fit is not there either way. */
const toWord = (index: bigint | number): number => Math.max(-(2 ** 31), Math.min(Number(index), 2 ** 31 - 1));

function tooLarge(bytes: number): RangeError {
  const size = `${Math.ceil(bytes / 2 ** 20)} MiB`;
  return new RangeError(
    `${size} more do not fit into WebAssembly's memory: take shorter prompts or fewer at once, --weights streamed, or --device native`,
  );
}

let engine: Promise<Engine> | undefined;

/** This process's engine. */
export function openEngine(): Promise<Engine> {
  return engine ??= start();
}

async function start(): Promise<Engine> {
  const memory = makeMemory();
  const pages = memory.buffer.byteLength / PAGE_BYTES;
  const module = await WebAssembly.compile(encodeKernels({ initial: pages, maximum: pages }, canFuse()));
  return new Engine(module, memory);
}
