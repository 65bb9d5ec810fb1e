/**
 * The instructions of programs. A program is a list of 32-bit words in the memory that all threads share: what writes it
 * and what reads it knows the words by the names that stand here.
 *
 * An instruction is a header, one word per field, then lists of `rank` words each. Addresses, and strides within
 * instructions, are in bytes.
 *
 * @module
 */

/** Words that every instruction begins with. */
const HEADER = {
  /** Which instruction: its place among {@linkcode INSTRUCTIONS}. */
  kind: 0,
  /** How many words it has. */
  length: 1,
  /** 1 if threads divide it, 0 if the first one does it alone. */
  isShared: 2,
  /** Units of its work that somebody does or has done. */
  unitsTaken: 3,
  /** Length of each list. */
  rank: 4,
} as const;
const HEADER_WORDS = Object.keys(HEADER).length;

interface Layout {
  readonly fields: readonly string[];
  readonly lists: readonly string[];
}

const STRIDED = { fields: ["out", "a"], lists: ["dims", "outStrides", "aStrides"] } as const;
const LOOKUP = { fields: ["out", "from", "indices", "rows", "nFrom", "nOut"], lists: [] } as const;

/** The fields and lists of every instruction; the buffer that it fills is `out`. */
export const INSTRUCTIONS = {
  /** An elementwise kernel on one to three operands, whose innermost axis lies together or is one number. */
  Map: {
    fields: ["kernel", "operands", "out", "a", "b", "c"],
    lists: ["dims", "outStrides", "aStrides", "bStrides", "cStrides"],
  },
  /** A copy of elements at any distances to elements at any distances. */
  CopyStrided: STRIDED,
  /** Logarithms, likewise: in JavaScript. */
  Log: STRIDED,
  /** A kernel on each of some rows of n numbers; results are `outStride` apart. */
  Rows: { fields: ["kernel", "out", "outStride", "n", "a"], lists: ["dims", "strides"] },
  /** The same with logarithms of softmax, of which a part is in JavaScript. */
  LogSoftmax: { fields: ["out", "outStride", "n", "a"], lists: ["dims", "strides"] },
  /** Products of matrices, `[m, k]` by `[k, n]`. */
  MatMul: {
    fields: ["out", "m", "n", "k", "a", "aRow", "aColumn", "b", "bRow", "bColumn"],
    lists: ["dims", "aStrides", "bStrides"],
  },
  /** Numbers of rows by index. */
  Gather: LOOKUP,
  /** The same, added up at their indices; the rest of `out` stays. */
  Scatter: LOOKUP,
  /** All threads wait for all. */
  Barrier: { fields: [], lists: [] },
} as const satisfies Readonly<Record<string, Layout>>;

/** The name of an instruction. */
export type Kind = keyof typeof INSTRUCTIONS;
/** The names of its fields. */
export type Field<K extends Kind> = (typeof INSTRUCTIONS)[K]["fields"][number];
/** The names of its lists. */
export type List<K extends Kind> = (typeof INSTRUCTIONS)[K]["lists"][number];

/** The instructions by number. */
export const KINDS = Object.keys(INSTRUCTIONS) as readonly Kind[];

/** An instruction's fields by name, and where its lists begin. */
export type Operands<K extends Kind> = Readonly<Record<Field<K> | List<K> | "rank", number>>;

/** What a word is before addresses are known. */
export interface Instruction<Word> {
  readonly kind: Kind;
  readonly isShared: boolean;
  readonly fields: Readonly<Record<string, Word | number>>;
  readonly lists: Readonly<Record<string, readonly number[]>>;
}

/** An instruction's words. */
export function wordsOf<Word = never>({ kind, isShared, fields, lists }: Instruction<Word>): (Word | number)[] {
  const layout: Layout = INSTRUCTIONS[kind];
  const rank = lists[layout.lists[0]]?.length ?? 0;
  const length = HEADER_WORDS + layout.fields.length + layout.lists.length * rank;
  return [
    ...[KINDS.indexOf(kind), length, isShared ? 1 : 0, 0, rank],
    ...layout.fields.map((name) => fields[name]),
    ...layout.lists.flatMap((name) => lists[name]),
  ];
}

/** Reads the instruction at a word. */
export function operandsAt<K extends Kind>(kind: K, words: Int32Array, at: number): Operands<K> {
  const { fields, lists }: Layout = INSTRUCTIONS[kind];
  const rank = words[at + HEADER.rank];
  const found: Record<string, number> = { rank };
  let word = at + HEADER_WORDS;
  for (const name of fields) found[name] = words[word++];
  for (const name of lists) {
    found[name] = word;
    word += rank;
  }
  return found as Operands<K>;
}

/** The instruction at a word. */
export const kindAt = (words: Int32Array, at: number): Kind => KINDS[words[at + HEADER.kind]];
/** Where the next one begins. */
export const nextAt = (words: Int32Array, at: number): number => at + words[at + HEADER.length];
/** Whether threads divide it. */
export const isSharedAt = (words: Int32Array, at: number): boolean => words[at + HEADER.isShared] === 1;

/** The next unit of its work, which nobody else does. */
export const takeUnit = (words: Int32Array, at: number): number => Atomics.add(words, at + HEADER.unitsTaken, 1);

/** How far from its first element the one at a row-major index of some axes lies. */
export function offsetOf(words: Int32Array, index: number, rank: number, dims: number, strides: number): number {
  let offset = 0;
  for (let axis = rank - 1; axis > 0; axis--) {
    const dim = words[dims + axis];
    const rest = Math.floor(index / dim);
    offset += (index - rest * dim) * words[strides + axis];
    index = rest;
  }
  return rank > 0 ? offset + index * words[strides] : 0;
}

/** The product of some dimensions. */
export function countOf(words: Int32Array, dims: number, rank: number): number {
  let count = 1;
  for (let axis = 0; axis < rank; axis++) count *= words[dims + axis];
  return count;
}
