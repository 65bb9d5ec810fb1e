/**
 * What stays open between jobs: the models and SAEs that were used last.
 *
 * @module
 */

/** At most so many open things by name; what was used longest ago is closed for a new one. */
export class RecentlyUsed<T extends AsyncDisposable> implements AsyncDisposable {
  readonly #open = new Map<string, T>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** The thing with this name, opened if it is not open. */
  async use(name: string, open: () => Promise<T>): Promise<T> {
    const found = this.#open.get(name) ?? await open();
    this.#open.delete(name);
    this.#open.set(name, found); // now the last in order
    for (const [oldest, thing] of this.#open) {
      if (this.#open.size <= this.#most) break;
      this.#open.delete(oldest);
      await thing[Symbol.asyncDispose]();
    }
    return found;
  }

  /** Whether it is open. */
  has(name: string): boolean {
    return this.#open.has(name);
  }

  /** Closes all. */
  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#open.values()];
    this.#open.clear();
    for (const thing of all) await thing[Symbol.asyncDispose]();
  }
}
