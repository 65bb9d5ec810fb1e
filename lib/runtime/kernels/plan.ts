/**
 * Gives the buffers of a lowered graph their addresses, so that what nobody needs any more makes room, and writes the
 * program's words.
 *
 * @module
 */
import { wordsOf } from "./instructions.ts";
import type { Buffer, LoweredInstruction, Ref, Word } from "./emitter.ts";
import type { Lowered } from "./lower.ts";
import type { KernelName } from "./module.ts";

/** A program for inputs of some sizes. */
export interface Program {
  /** The address that it is made for. */
  readonly base: number;
  /** Instructions, then constants. They are to be put at the base. */
  readonly words: Int32Array;
  /** How many of the words are instructions. */
  readonly length: number;
  /** Whether there is work in it that threads divide. */
  readonly isShared: boolean;
  /** Words to which the address of an input is to be added. */
  readonly patches: readonly (readonly [word: number, input: string])[];
  /** Inputs that are to be copied, and where to. */
  readonly copies: readonly (readonly [input: string, address: number])[];
  /** Where results lie; an input that is a result lies where it was put. */
  readonly outputs: readonly Output[];
  /** How much memory it needs, words included. */
  readonly bytes: number;
}

/** A result's place. */
export interface Output {
  readonly name: string;
  readonly dims: readonly number[];
  /** An address, or the name of the input that is the result. */
  readonly place: number | string;
  /** Past the place, in bytes. */
  readonly offset: number;
}

const ALIGNMENT = 64;
/** So many bytes, up to where the next buffer may begin. */
export const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** What a program is made for. */
export interface Target {
  /** The numbers of the kernels. */
  readonly kernels: Readonly<Record<KernelName, number>>;
  /** The address at which it is put, a multiple of 64. */
  readonly base: number;
  /** Inputs that are in the kernels' memory already. */
  readonly inPlace: ReadonlySet<string>;
}

/** Makes a program. */
export function plan(lowered: Lowered, { kernels, base, inPlace }: Target): Program {
  const instructions = withBarriers(lowered.instructions);
  const code = instructions.flatMap((instruction) => wordsOf<Word>(instruction));
  const { length } = code;
  const total = length + lowered.constants.length;
  const { addresses, bytes } = assignAddresses(
    lowered,
    instructions,
    base,
    aligned(4 * total),
    inPlace,
    base + 4 * length,
  );
  const words = new Int32Array(total);
  const patches: [number, string][] = [];
  code.forEach((word, at) => {
    if (typeof word === "number") words[at] = word;
    else if (typeof word === "string") words[at] = kernels[word];
    else {
      const address = addresses[word.buffer];
      words[at] = 4 * word.offset;
      if (typeof address === "string") patches.push([at, address]);
      else words[at] += address;
    }
  });
  words.set(new Int32Array(new Float32Array(lowered.constants).buffer), length);
  const copies = lowered.buffers.flatMap((buffer, i): [string, number][] =>
    buffer.kind === "input" && typeof addresses[i] === "number" ? [[buffer.name, addresses[i]]] : []
  );
  const outputs = lowered.outputs.map(([name, { buffer, offset, dims }]) => ({
    name,
    dims,
    place: addresses[buffer],
    offset: 4 * offset,
  }));
  const isShared = lowered.instructions.some((instruction) => instruction.isShared);
  return {
    base,
    words,
    length,
    isShared,
    patches,
    copies,
    outputs,
    bytes,
  };
}

const BARRIER: LoweredInstruction = { kind: "Barrier", isShared: true, fields: {}, lists: {}, inPlace: [] };

/** Threads wait for each other before instructions that they share and after them. */
function withBarriers(instructions: readonly LoweredInstruction[]): LoweredInstruction[] {
  const found: LoweredInstruction[] = [];
  let afterBarrier = true;
  for (const instruction of instructions) {
    const { isShared } = instruction;
    if (isShared && !afterBarrier) found.push(BARRIER);
    found.push(instruction);
    if (isShared) found.push(BARRIER);
    afterBarrier = isShared;
  }
  return found;
}

const refsOf = ({ fields }: LoweredInstruction): Ref[] =>
  Object.values(fields).filter((field) => typeof field === "object");

/** An address for every buffer; the name of the input for those whose address each run says. */
function assignAddresses(
  { buffers, outputs }: Lowered,
  instructions: readonly LoweredInstruction[],
  base: number,
  start: number,
  inPlace: ReadonlySet<string>,
  constants: number,
): { addresses: (number | string)[]; bytes: number } {
  const last = new Array<number>(buffers.length).fill(-1);
  instructions.forEach((instruction, i) => refsOf(instruction).forEach(({ buffer }) => last[buffer] = i));
  for (const [, { buffer }] of outputs) last[buffer] = instructions.length;
  const endsAt: number[][] = instructions.map(() => []);
  const pool = new MemoryPool(start);
  const addresses = new Array<number | string>(buffers.length).fill("");
  const startOf = new Array<number>(buffers.length);
  const assign = (buffer: number, from: number): void => {
    startOf[buffer] = from;
    addresses[buffer] = base + from;
    endsAt[last[buffer]]?.push(buffer);
  };
  const bytesOf = (buffer: Buffer): number => buffer.kind === "constants" ? 0 : aligned(4 * buffer.size);
  buffers.forEach((buffer, i) => {
    if (buffer.kind === "constants") addresses[i] = constants;
    else if (buffer.kind === "input" && inPlace.has(buffer.name)) addresses[i] = buffer.name;
    else if (buffer.kind === "input") assign(i, pool.allocate(bytesOf(buffer)));
  });
  instructions.forEach(({ fields: { out }, inPlace: candidates }, i) => {
    const made = typeof out === "object" ? out.buffer : undefined;
    if (made !== undefined && addresses[made] === "" && buffers[made].kind === "result") {
      const bytes = bytesOf(buffers[made]);
      const old = candidates.find((buffer) =>
        last[buffer] === i && startOf[buffer] !== undefined && bytesOf(buffers[buffer]) === bytes &&
        endsAt[i].includes(buffer)
      );
      if (old !== undefined) endsAt[i].splice(endsAt[i].indexOf(old), 1);
      assign(made, old === undefined ? pool.allocate(bytes) : startOf[old]);
    }
    for (const buffer of endsAt[i]) pool.release(startOf[buffer], bytesOf(buffers[buffer]));
  });
  buffers.forEach(({ kind }, i) => { // of no elements
    if (kind === "result" && addresses[i] === "") addresses[i] = constants;
  });
  return { addresses, bytes: pool.end };
}

/** Memory that is allocated and released. */
class MemoryPool {
  /** Where what was ever allocated ends. */
  end: number;
  /** Gaps by where they begin, in order; none touch. */
  readonly #gaps: [start: number, end: number][] = [];

  constructor(start: number) {
    this.end = start;
  }

  /** The smallest gap that is large enough, or memory at the end. */
  allocate(bytes: number): number {
    let best = -1;
    this.#gaps.forEach(([start, end], i) => {
      if (end - start < bytes) return;
      if (best < 0 || end - start < this.#gaps[best][1] - this.#gaps[best][0]) best = i;
    });
    if (best >= 0) {
      const gap = this.#gaps[best];
      const start = gap[0];
      gap[0] += bytes;
      if (gap[0] === gap[1]) this.#gaps.splice(best, 1);
      return start;
    }
    const tail = this.#gaps.at(-1);
    const start = tail && tail[1] === this.end ? this.#gaps.pop()![0] : this.end;
    this.end = start + bytes;
    return start;
  }

  release(start: number, bytes: number): void {
    if (bytes === 0) return;
    let at = this.#gaps.findIndex(([from]) => from > start);
    if (at < 0) at = this.#gaps.length;
    this.#gaps.splice(at, 0, [start, start + bytes]);
    for (const i of [at, at - 1]) {
      const [gap, next] = [this.#gaps[i], this.#gaps[i + 1]];
      if (gap && next && gap[1] === next[0]) {
        gap[1] = next[1];
        this.#gaps.splice(i + 1, 1);
      }
    }
  }
}
