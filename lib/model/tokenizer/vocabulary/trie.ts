/**
 * Strings by their beginnings.
 *
 * @module
 */
import type { Budget } from "../regex/budget.ts";
import { mix, MULTIPLIER, Numbers } from "./numbers.ts";

/** Far above any vocabulary (those of 250,000 tokens need a million). */
const MAX_NODES = 10_000_000;

/** What a node takes, beside a character of a pattern. */
const STEPS_PER_NODE = 3;

/** A set of strings, each with a number from 0 on. */
export class Trie {
  /** Of each node: the node before it, the UTF-16 code unit that leads to it, the number of the string that ends there. */
  readonly #before = new Numbers();
  readonly #units = new Numbers();
  readonly #values = new Numbers();
  /** Nodes where their hashes put them; the root, 0, is nowhere. */
  #slots = new Int32Array(1 << 10);

  constructor() {
    this.#append(-1, 0);
  }

  /** Adds a string; of equal ones the last counts. False where it was there. */
  add(text: string, value: number): boolean {
    let node = 0;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      node = this.#child(node, unit) || this.#append(node, unit);
    }
    const isNew = this.#values.data[node] < 0;
    this.#values.data[node] = value;
    return isNew;
  }

  /** All strings that stand at a place of a text, from the shortest. */
  prefixes(text: string, start: number, budget: Budget, visit: (end: number, value: number) => void): void {
    let at = start;
    for (let node = 0; at < text.length;) {
      node = this.#child(node, text.charCodeAt(at));
      if (node === 0) break;
      at++;
      const value = this.#values.data[node];
      if (value >= 0) visit(at, value);
    }
    budget.spend(STEPS_PER_NODE * (at - start + 1));
  }

  /** The node that a code unit leads to; 0 if there is none. */
  #child(before: number, unit: number): number {
    const slots = this.#slots;
    for (let slot = hashOf(before, unit) & (slots.length - 1);; slot = (slot + 1) & (slots.length - 1)) {
      const node = slots[slot];
      if (node === 0 || (this.#before.data[node] === before && this.#units.data[node] === unit)) return node;
    }
  }

  #append(before: number, unit: number): number {
    const node = this.#before.length;
    if (node > MAX_NODES) throw new RangeError(`Cannot use a vocabulary of more than ${MAX_NODES} characters`);
    this.#before.push(before);
    this.#units.push(unit);
    this.#values.push(-1);
    if (2 * node < this.#slots.length) this.#place(node);
    else {
      this.#slots = new Int32Array(4 * this.#slots.length);
      for (let one = 1; one <= node; one++) this.#place(one);
    }
    return node;
  }

  #place(node: number): void {
    if (node === 0) return;
    const slots = this.#slots;
    let slot = hashOf(this.#before.data[node], this.#units.data[node]) & (slots.length - 1);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = node;
  }
}

function hashOf(before: number, unit: number): number {
  return mix(Math.imul(Math.imul(before, MULTIPLIER) + unit, MULTIPLIER));
}
