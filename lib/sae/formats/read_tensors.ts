/**
 * Which tensors of a file were read, so that those which were not can be named.
 *
 * @module
 */
import type { Stored } from "./view.ts";

/** The tensors of one file; those that were got are used. */
export class ReadTensors extends Map<string, Stored> {
  readonly #used = new Set<string>();

  override get(name: string): Stored | undefined {
    this.#used.add(name);
    return super.get(name);
  }

  /** Nothing has been used. */
  forget(): void {
    this.#used.clear();
  }

  /** Names of the others; none where the file is not used at all. */
  unused(): string[] {
    const names = [...this.keys()];
    const rest = names.filter((name) => !this.#used.has(name));
    return rest.length < names.length ? rest : [];
  }
}
