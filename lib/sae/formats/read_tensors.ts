/**
 * Which tensors of a file were read, so that those which were not can be named.
 *
 * @module
 */
import type { Stored } from "../../weights/tensors/stored.ts";

/** The tensors of one file; those that were got are used. */
export class ReadTensors extends Map<string, Stored> {
  /** What the file has beside tensors. */
  readonly others: readonly string[];
  readonly #used = new Set<string>();

  constructor(tensors: readonly Stored[], others: readonly string[]) {
    super();
    for (const tensor of tensors) this.set(tensor.name, tensor);
    this.others = others;
  }

  override get(name: string): Stored | undefined {
    this.#used.add(name);
    return super.get(name);
  }

  /** Nothing has been used. */
  forget(): void {
    this.#used.clear();
  }

  /** Whether one of its tensors is used. */
  isUsed(): boolean {
    return [...this.#used].some((name) => this.has(name));
  }

  /** Names of the tensors that are not; none where the file is not used at all. */
  unused(): string[] {
    return this.isUsed() ? [...this.keys()].filter((name) => !this.#used.has(name)) : [];
  }
}
