/**
 * Threads that run programs together, and how they wait for each other.
 *
 * A thread other than the first is a Worker that sleeps until there is a program. One that has slept for long ends, so
 * that it keeps no process alive; the next program runs without it while another starts.
 *
 * @module
 */
import { execute } from "./execute.ts";
import { type Participant, type ThreadContext, widen } from "./thread_context.ts";

/** Words of the memory that all threads have together. */
const FAILED = 0;
const ARRIVED = 1;
const GENERATION = 2;

/** Bytes of each thread's own control block, which words begin; the first one's are those above. */
const BLOCK_BYTES = 1024;
const STATE = 0;
const RANK = 1;
const THREADS = 2;
const FROM = 3;
const TO = 4;
/** Bytes of UTF-8 that say why it failed, 0 if it did not; they come next. */
const REASON_BYTES = 5;
const REASON = 6;
const MAX_REASON_BYTES = BLOCK_BYTES - 4 * REASON;
const blockOf = (thread: number): number => BLOCK_BYTES / 4 * thread;

/** States of a thread. */
const STARTING = 0;
const READY = 1;
/** It is to run what is being written down. */
const TAKEN = 2;
const RUNNING = 3;
const ENDED = 4;

/** The most threads there are. */
export const MAX_THREADS = 16;
/** Bytes at the beginning of the memory that are the threads' own. */
export const CONTROL_BYTES = BLOCK_BYTES * MAX_THREADS;

const IDLE_MS = 2000;
/** Looks before a thread that waits goes to sleep: some microseconds. */
const SPINS = 4000;

/** Thrown where a thread waits for one that has failed. */
class OtherFailed extends Error {}

/** Waits until all threads have called it. */
function waitForAll(words: Int32Array, threads: number): void {
  if (threads === 1) return;
  const generation = Atomics.load(words, GENERATION);
  if (Atomics.add(words, ARRIVED, 1) === threads - 1) {
    Atomics.store(words, ARRIVED, 0);
    Atomics.add(words, GENERATION, 1);
    Atomics.notify(words, GENERATION);
    return;
  }
  for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(words, GENERATION) !== generation) return;
  while (Atomics.load(words, GENERATION) === generation) {
    if (Atomics.load(words, FAILED) !== 0) throw new OtherFailed();
    Atomics.wait(words, GENERATION, generation, 1000);
  }
}

const participant = (words: Int32Array, rank: number, threads: number): Participant => ({
  rank,
  threads,
  barrier: () => waitForAll(words, threads),
});

/** Makes the threads that wait at a barrier give up. */
function fail(words: Int32Array): void {
  Atomics.store(words, FAILED, 1);
  Atomics.notify(words, GENERATION);
}

/** Writes down why a thread failed, as much of it as there is room for. */
function writeReason(words: Int32Array, thread: number, error: unknown): void {
  const text = new TextEncoder().encode(String(error)).subarray(0, MAX_REASON_BYTES);
  new Uint8Array(words.buffer).set(text, 4 * (blockOf(thread) + REASON));
  words[blockOf(thread) + REASON_BYTES] = text.length;
}

/** Reads it, once. */
function readReason(words: Int32Array, thread: number): string | undefined {
  const length = words[blockOf(thread) + REASON_BYTES];
  if (length === 0) return undefined;
  words[blockOf(thread) + REASON_BYTES] = 0;
  const start = 4 * (blockOf(thread) + REASON);
  return new TextDecoder().decode(new Uint8Array(words.buffer).slice(start, start + length)); // not of shared memory
}

/**
 * What a Worker does: runs programs until it has had none for long.
 *
 * @param run runs the instructions in words [from, to)
 */
export function serve(context: ThreadContext, thread: number, run: typeof execute = execute): void {
  const { words } = context;
  const block = blockOf(thread);
  const state = block + STATE;
  Atomics.compareExchange(words, state, STARTING, READY);
  for (;;) {
    const now = Atomics.load(words, state);
    if (now === READY) {
      const isIdle = Atomics.wait(words, state, READY, IDLE_MS) === "timed-out";
      // From then on the state is that of the thread that takes this one's place: two of the same rank would run everything
      // twice, and go past each other's barriers
      if (isIdle && Atomics.compareExchange(words, state, READY, ENDED) === READY) return;
    } else if (now === RUNNING) {
      try {
        widen(context);
        const me = participant(words, words[block + RANK], words[block + THREADS]);
        run(context, me, words[block + FROM], words[block + TO]);
      } catch (error) {
        if (!(error instanceof OtherFailed)) writeReason(words, thread, error);
        fail(words);
      }
      Atomics.compareExchange(words, state, RUNNING, READY);
      Atomics.notify(words, state);
    } else if (now !== TAKEN) {
      return;
    }
  }
}

/** The first thread and the Workers beside it. */
export class ThreadPool {
  readonly #context: ThreadContext;
  readonly #start: ((thread: number) => void) | undefined;
  #size = 1;

  /**
   * A pool of one thread.
   *
   * @param start starts a Worker that serves as the given thread; without it there is one thread
   */
  constructor(context: ThreadContext, start?: (thread: number) => void) {
    this.#context = context;
    this.#start = start;
  }

  /** How many threads are ready, the first one included. */
  get ready(): number {
    const { words } = this.#context;
    let count = 1;
    for (let thread = 1; thread < this.#size; thread++) {
      if (Atomics.load(words, blockOf(thread) + STATE) === READY) count++;
    }
    return count;
  }

  /** Starts Workers, if they are not there, for programs to come. Programs run without one that does not start. */
  grow(threads: number): void {
    if (!this.#start) return;
    const { words } = this.#context;
    for (let thread = 1; thread < Math.min(threads, MAX_THREADS); thread++) {
      const state = blockOf(thread) + STATE;
      const isNew = thread >= this.#size;
      if (!isNew && Atomics.load(words, state) !== ENDED) continue;
      Atomics.store(words, state, STARTING);
      this.#size = Math.max(this.#size, thread + 1);
      try {
        this.#start(thread);
      } catch {
        return; // there are no Workers here
      }
    }
  }

  /**
   * Runs a program with the threads that are ready, at most so many, and starts those that have ended.
   *
   * @throws {RangeError} if an index that is looked up is not there
   * @throws {Error} if another thread fails, with its reason
   */
  run(from: number, to: number, threads: number): void {
    const { words } = this.#context;
    this.grow(threads);
    const others = this.#take(threads - 1);
    others.forEach((thread, i) => {
      const block = blockOf(thread);
      words[block + RANK] = i + 1;
      words[block + THREADS] = others.length + 1;
      words[block + FROM] = from;
      words[block + TO] = to;
      Atomics.store(words, block + STATE, RUNNING);
      Atomics.notify(words, block + STATE);
    });
    let failure: unknown;
    try {
      execute(this.#context, participant(words, 0, others.length + 1), from, to);
    } catch (error) {
      if (!(error instanceof OtherFailed)) failure = error;
      fail(words);
    }
    for (const thread of others) waitForEnd(words, blockOf(thread) + STATE);
    if (Atomics.exchange(words, FAILED, 0) === 0) return;
    Atomics.store(words, ARRIVED, 0);
    const reasons = others.flatMap((thread) => readReason(words, thread) ?? []);
    throw failure ?? new Error(`A thread of the WebAssembly kernels failed: ${reasons[0]}`);
  }

  /** Threads that are ready, and now wait to be told what to run. */
  #take(count: number): number[] {
    const { words } = this.#context;
    const taken: number[] = [];
    for (let thread = 1; thread < this.#size && taken.length < count; thread++) {
      if (Atomics.compareExchange(words, blockOf(thread) + STATE, READY, TAKEN) === READY) taken.push(thread);
    }
    return taken;
  }
}

function waitForEnd(words: Int32Array, state: number): void {
  for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(words, state) !== RUNNING) return;
  while (Atomics.load(words, state) === RUNNING) Atomics.wait(words, state, RUNNING, 1000);
}
