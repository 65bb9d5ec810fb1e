/**
 * The kernels with their memory and threads: one engine per process.
 *
 * The memory is divided so: words by which threads wait for each other, each one's own memory, then the program that runs,
 * from below; what is allocated (weights, buffers that files are read into) from above.
 *
 * @module
 */
import { SCRATCH_BYTES } from "./execute_matmul.ts";
import type { MemoryLimits } from "./assembler.ts";
import { canFuse, encodeKernels } from "./module.ts";
import type { FloatTensor, Tensor, TensorData } from "../tensor.ts";
import { aligned, type Program, type Target } from "./plan.ts";
import { kernelNumbers, openContext, type ThreadContext } from "./thread_context.ts";
import { startThread } from "./start_thread.ts";
import { CONTROL_BYTES, MAX_THREADS, ThreadPool } from "./thread_pool.ts";
import { sizeOf } from "./views.ts";

/** Address space to ask for, in pages of 64 KiB; memory itself is taken page by page as it is used. */
const PAGES = [65_535, 49_152, 32_768, 16_384, 8_192, 4_096];

/** All of the address space that this system gives, shared among threads where that can be. */
function makeMemory(): { memory: WebAssembly.Memory; limits: MemoryLimits } {
  const sharing = typeof SharedArrayBuffer === "undefined" ? [false] : [true, false];
  for (const shared of sharing) {
    for (const pages of PAGES) {
      const limits = { initial: pages, maximum: pages, shared };
      try {
        return { memory: new WebAssembly.Memory(limits), limits };
      } catch { // less, then
      }
    }
  }
  throw new Error("This system gives WebAssembly less than 256 MiB of addresses: use another device");
}

/** Kernels, memory and threads. */
export class Engine {
  /** What programs are made for. */
  readonly target: Omit<Target, "inPlace">;
  readonly #context: ThreadContext;
  readonly #threads: ThreadPool;
  /** What was allocated, by where it begins and ends, the highest first. */
  readonly #allocations: { readonly start: number; readonly end: number }[];
  /** Where the largest program so far ended. */
  #programsEnd: number;

  /**
   * An engine on compiled kernels.
   *
   * @param shared whether threads share the memory; without that there is one thread
   */
  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, shared: boolean) {
    const scratchOf = (thread: number): number => CONTROL_BYTES + thread * aligned(SCRATCH_BYTES);
    this.#context = openContext(module, memory, scratchOf(0));
    this.target = { base: scratchOf(MAX_THREADS), kernels: kernelNumbers(this.#context.kernels) };
    this.#programsEnd = this.target.base;
    this.#threads = new ThreadPool(
      this.#context,
      shared ? (thread) => startThread({ thread, module, memory, scratch: scratchOf(thread) }) : undefined,
    );
    const { byteLength } = memory.buffer;
    this.#allocations = [{ start: byteLength, end: byteLength }];
  }

  /** How many threads are ready. */
  get threads(): number {
    return this.#threads.ready;
  }

  /** Starts threads for programs to come. */
  grow(threads: number): void {
    this.#threads.grow(threads);
  }

  /**
   * Numbers that graphs read where they are. They stay until they are released.
   *
   * @throws {RangeError} if they do not fit
   */
  allocate(count: number): Float32Array {
    const bytes = aligned(Math.max(4 * count, 1));
    const start = this.#allocations.map(({ start }, i) => {
      const floor = this.#allocations[i + 1]?.end ?? this.#programsEnd;
      return start - bytes >= floor ? start - bytes : -1;
    });
    const at = start.findIndex((from) => from >= 0);
    if (at < 0) throw tooLarge(4 * count);
    this.#allocations.splice(at + 1, 0, { start: start[at], end: start[at] + bytes });
    return new Float32Array(this.#context.floats.buffer, start[at], count);
  }

  /** Gives back numbers that were allocated at an address; they must not be used again. */
  release(address: number): void {
    const at = this.#allocations.findIndex(({ start, end }) => start === address && end > start);
    if (at >= 0) this.#allocations.splice(at, 1);
  }

  /** Whether graphs read an array where it is. */
  readonly holds = (data: TensorData): boolean =>
    data instanceof Float32Array && data.buffer === this.#context.floats.buffer;

  /**
   * Runs a program.
   *
   * @returns the results, copied
   * @throws {RangeError} if it does not fit into memory, or an index that is looked up is not there
   */
  run(program: Program, inputs: Readonly<Record<string, Tensor>>, threads: number): Record<string, FloatTensor> {
    const { words, floats } = this.#context;
    this.#programsEnd = Math.max(this.#programsEnd, this.target.base + program.bytes);
    if (this.#programsEnd > this.#allocations.at(-1)!.start) {
      this.#programsEnd = this.target.base;
      throw tooLarge(program.bytes);
    }
    const from = this.target.base / 4;
    words.set(program.words, from);
    for (const [word, input] of program.patches) words[from + word] += inputs[input].data.byteOffset;
    for (const [input, address] of program.copies) {
      const { data } = inputs[input];
      if (data instanceof Float32Array) floats.set(data, address / 4);
      else words.set(Int32Array.from(data, toWord), address / 4);
    }
    this.#threads.run(from, from + program.length, program.isShared ? threads : 1);
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
    `${size} more do not fit into WebAssembly's memory: take shorter prompts or fewer at once, weights "streamed", or device "native"`,
  );
}

let engine: Promise<Engine> | undefined;

/** This process's engine. */
export function openEngine(): Promise<Engine> {
  return engine ??= start();
}

async function start(): Promise<Engine> {
  const { memory, limits } = makeMemory();
  const module = await WebAssembly.compile(encodeKernels(limits, canFuse()));
  return new Engine(module, memory, limits.shared);
}
