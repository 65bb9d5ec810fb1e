/**
 * Threads that run programs together, and how they meet.
 *
 * A thread other than the first is a Worker that sleeps until there is a program. One that has slept for long ends, so
 * that it keeps no process alive; the next program runs without it while another starts.
 *
 * @module
 */
import { execute, type Place } from "./execute.ts";
import type { Hands } from "./hands.ts";

/** Words of the shared memory that threads meet at. */
const FAILED = 0;
const ARRIVED = 1;
const GENERATION = 2;
/** Where a thread's own words begin. */
const wordsOf = (thread: number): number => 16 * thread;
const STATE = 0;
const RANK = 1;
const THREADS = 2;
const FROM = 3;
const TO = 4;

/** States of a thread. */
const STARTING = 0;
const READY = 1;
/** It is to run what is being written down. */
const TAKEN = 2;
const RUNNING = 3;
const GONE = 4;

/** The most threads there are. */
export const MAX_THREADS = 16;
/** Bytes at the beginning of the memory that are the threads' own. */
export const CONTROL_BYTES = 64 * MAX_THREADS;

const IDLE_MS = 2000;
/** Looks before a thread that waits goes to sleep: some microseconds. */
const LOOKS = 4000;

/** Deno's own: onnxruntime-web puts Node's in its place when it starts. */
const { Worker: WebWorker } = globalThis;

/** How a thread is started. */
export interface ThreadStart {
  readonly thread: number;
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly scratch: number;
}

/** Waits until all threads have called it. */
function meet(words: Int32Array, threads: number): void {
  if (threads === 1) return;
  const generation = Atomics.load(words, GENERATION);
  if (Atomics.add(words, ARRIVED, 1) === threads - 1) {
    Atomics.store(words, ARRIVED, 0);
    Atomics.add(words, GENERATION, 1);
    Atomics.notify(words, GENERATION);
    return;
  }
  for (let look = 0; look < LOOKS; look++) if (Atomics.load(words, GENERATION) !== generation) return;
  while (Atomics.load(words, GENERATION) === generation) {
    if (Atomics.load(words, FAILED) !== 0) throw new Error("Another thread failed");
    Atomics.wait(words, GENERATION, generation, 1000);
  }
}

const placeAmong = (words: Int32Array, thread: number, threads: number): Place => ({
  thread,
  barrier: () => meet(words, threads),
});

/** Makes the threads that wait at a meeting give up. */
function fail(words: Int32Array): void {
  Atomics.store(words, FAILED, 1);
  Atomics.notify(words, GENERATION);
}

/** What a Worker does: runs programs until it has had none for long. */
export function serve(hands: Hands, thread: number): void {
  const { words } = hands;
  const own = wordsOf(thread);
  const state = own + STATE;
  Atomics.compareExchange(words, state, STARTING, READY);
  for (;;) {
    const now = Atomics.load(words, state);
    if (now === READY) {
      const isIdle = Atomics.wait(words, state, READY, IDLE_MS) === "timed-out";
      if (isIdle) Atomics.compareExchange(words, state, READY, GONE);
    } else if (now === RUNNING) {
      try {
        execute(hands, placeAmong(words, words[own + RANK], words[own + THREADS]), words[own + FROM], words[own + TO]);
      } catch {
        fail(words);
      }
      Atomics.compareExchange(words, state, RUNNING, READY);
      Atomics.notify(words, state);
    } else if (now !== TAKEN) {
      return;
    }
  }
}

/** The first thread's hands and the Workers beside it. */
export class Team {
  readonly #hands: Hands;
  readonly #start: (thread: number) => ThreadStart;
  #size = 1;

  /**
   * A team of one.
   *
   * @param start what a further thread gets
   */
  constructor(hands: Hands, start: (thread: number) => ThreadStart) {
    this.#hands = hands;
    this.#start = start;
  }

  /** How many threads are ready, the first one included. */
  get ready(): number {
    const { words } = this.#hands;
    let count = 1;
    for (let thread = 1; thread < this.#size; thread++) {
      if (Atomics.load(words, wordsOf(thread) + STATE) === READY) count++;
    }
    return count;
  }

  /** Starts Workers, if they are not there, for programs to come. Programs run without one that does not start. */
  grow(threads: number): void {
    const { words } = this.#hands;
    for (let thread = 1; thread < Math.min(threads, MAX_THREADS); thread++) {
      const isNew = thread >= this.#size;
      if (!isNew && Atomics.load(words, wordsOf(thread) + STATE) !== GONE) continue;
      Atomics.store(words, wordsOf(thread) + STATE, STARTING);
      this.#size = Math.max(this.#size, thread + 1);
      try {
        const worker = new WebWorker(new URL("./thread.ts", import.meta.url).href, { type: "module" });
        worker.onerror = (event) => event.preventDefault();
        worker.postMessage(this.#start(thread));
      } catch {
        return; // there are no Workers here
      }
    }
  }

  /**
   * Runs a program with the threads that are ready, at most so many, and starts those that have ended.
   *
   * @throws {RangeError} if an index that is looked up is not there
   * @throws {Error} if another thread fails
   */
  run(from: number, to: number, threads: number): void {
    const { words } = this.#hands;
    this.grow(threads);
    const others = this.#take(threads - 1);
    others.forEach((thread, i) => {
      const own = wordsOf(thread);
      words[own + RANK] = i + 1;
      words[own + THREADS] = others.length + 1;
      words[own + FROM] = from;
      words[own + TO] = to;
      Atomics.store(words, own + STATE, RUNNING);
      Atomics.notify(words, own + STATE);
    });
    let failure: unknown;
    try {
      execute(this.#hands, placeAmong(words, 0, others.length + 1), from, to);
    } catch (error) {
      failure = error;
      fail(words);
    }
    for (const thread of others) awaitEnd(words, wordsOf(thread) + STATE);
    if (Atomics.exchange(words, FAILED, 0) === 0) return;
    Atomics.store(words, ARRIVED, 0);
    throw failure ?? new Error("A thread of the WebAssembly kernels failed");
  }

  /** Threads that are ready, and now wait to be told what to run. */
  #take(count: number): number[] {
    const { words } = this.#hands;
    const taken: number[] = [];
    for (let thread = 1; thread < this.#size && taken.length < count; thread++) {
      if (Atomics.compareExchange(words, wordsOf(thread) + STATE, READY, TAKEN) === READY) taken.push(thread);
    }
    return taken;
  }
}

function awaitEnd(words: Int32Array, state: number): void {
  for (let look = 0; look < LOOKS; look++) if (Atomics.load(words, state) !== RUNNING) return;
  while (Atomics.load(words, state) === RUNNING) Atomics.wait(words, state, RUNNING, 1000);
}
