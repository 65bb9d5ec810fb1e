/**
 * The kernels with their memory and threads: one engine per process.
 *
 * The memory begins with words by which threads wait for each other and each one's own memory; the rest is the heap's.
 *
 * @module
 */
import { IS_PAGE } from "../../platform/environment.ts";
import { SCRATCH_BYTES } from "./execute_matmul.ts";
import type { MemoryLimits } from "./assembler.ts";
import { Heap } from "./heap.ts";
import { canFuse, encodeKernels } from "./module.ts";
import type { FloatTensor, Tensor, TensorData } from "../tensor.ts";
import { aligned, type Program, type Target } from "./plan.ts";
import { kernelNumbers, openContext, type ThreadContext, widen } from "./thread_context.ts";
import { startThread } from "./start_thread.ts";
import { CONTROL_BYTES, MAX_THREADS, ThreadPool } from "./thread_pool.ts";
import { sizeOf } from "./views.ts";

/** Address space to ask for, in pages of 64 KiB; memory itself is taken page by page as it is used. */
const PAGES = [65_535, 49_152, 32_768, 16_384, 8_192, 4_096];

/**
 * In a page, memory begins with 64 MiB and grows; what is not shared cannot, and is 1 GiB, for a phone has no more to give.
 * Elsewhere all addresses cost nothing, and in Deno growing beside threads hangs.
 */
const [FIRST_PAGES, MOST_UNSHARED_PAGES] = [1024, 16_384];

/** All of the address space that this system gives, shared among threads where that can be. */
function makeMemory(): { memory: WebAssembly.Memory; limits: MemoryLimits } {
  const sharing = typeof SharedArrayBuffer === "undefined" ? [false] : [true, false];
  for (const shared of sharing) {
    for (const maximum of PAGES.filter((pages) => shared || !IS_PAGE || pages <= MOST_UNSHARED_PAGES)) {
      const limits = { initial: IS_PAGE && shared ? FIRST_PAGES : maximum, maximum, shared };
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
  readonly #context: ThreadContext;
  readonly #threads: ThreadPool;
  readonly #heap: Heap;
  readonly #kernels: Target["kernels"];
  /** Those that the memory has had: arrays of before it grew are in it. */
  readonly #buffers = new WeakSet<ArrayBufferLike>();

  /**
   * An engine on compiled kernels.
   *
   * @param limits as the memory has them: threads share it, or there is one; up to its maximum it grows
   */
  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, { initial, maximum, shared }: MemoryLimits) {
    const scratchOf = (thread: number): number => CONTROL_BYTES + thread * aligned(SCRATCH_BYTES);
    this.#context = openContext(module, memory, scratchOf(0));
    this.#kernels = kernelNumbers(this.#context.kernels);
    this.#heap = new Heap(memory, scratchOf(MAX_THREADS), shared && initial < maximum);
    this.#buffers.add(memory.buffer);
    this.#threads = new ThreadPool(
      this.#context,
      shared ? (thread) => startThread({ thread, module, memory, scratch: scratchOf(thread) }) : undefined,
    );
  }

  /** What programs are made for. */
  get target(): Omit<Target, "inPlace"> {
    return { base: this.#heap.base, kernels: this.#kernels };
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
    const address = this.#heap.allocate(4 * count);
    this.#widen();
    return new Float32Array(this.#context.floats.buffer, address, count);
  }

  /** Gives back numbers that were allocated at an address; they must not be used again. */
  release(address: number): void {
    this.#heap.release(address);
  }

  /** Makes views of all memory, if it has grown. */
  #widen(): void {
    widen(this.#context);
    this.#buffers.add(this.#context.floats.buffer);
  }

  /**
   * Makes room for a program.
   *
   * @returns whether it can run where it was made for; else what it is made for has changed
   * @throws {RangeError} if it does not fit into memory
   */
  makeRoom({ base, bytes }: Program): boolean {
    const found = this.#heap.room(bytes);
    this.#widen();
    return found === base;
  }

  /** Whether graphs read an array where it is. */
  readonly holds = (data: TensorData): boolean => data instanceof Float32Array && this.#buffers.has(data.buffer);

  /**
   * Runs a program that there is room for.
   *
   * @returns the results, copied
   * @throws {RangeError} if an index that is looked up is not there
   */
  run(program: Program, inputs: Readonly<Record<string, Tensor>>, threads: number): Record<string, FloatTensor> {
    const { words, floats } = this.#context;
    const from = program.base / 4;
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

let engine: Promise<Engine> | undefined;

/** This process's engine. */
export function openEngine(): Promise<Engine> {
  return engine ??= start();
}

async function start(): Promise<Engine> {
  const { memory, limits } = makeMemory();
  const module = await WebAssembly.compile(encodeKernels(limits, canFuse()));
  return new Engine(module, memory, limits);
}
