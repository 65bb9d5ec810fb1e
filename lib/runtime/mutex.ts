/**
 * One at a time.
 *
 * @module
 */

/**
 * Runs asynchronous tasks one after another, in the order in which they were given.
 *
 * @example
 * ```ts
 * import { Mutex } from "./mutex.ts";
 *
 * const mutex = new Mutex();
 * const order: number[] = [];
 * await Promise.all([1, 2].map((i) => mutex.run(async () => void order.push(await i))));
 * console.assert(order.join() === "1,2");
 * ```
 */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs a task when those before it have ended, well or badly. */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result.catch(() => {});
    return result;
  }
}
