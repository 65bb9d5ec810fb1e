/**
 * What a question will read, before it is asked: its price where files are fetched, and fetching all of it at once.
 *
 * @module
 */
import type { ByteRange } from "../files/ranges.ts";
import type { FileSource, ReadCost } from "../files/file_source.ts";
import type { TensorPlace, TensorStore } from "./tensors.ts";

/** Bytes that will be read. */
export interface Need {
  /** What they are for, in the plural: `blocks`. */
  readonly what: string;
  /** Where they are. */
  readonly place: TensorPlace;
  /** Only so many of its rows will be, nobody knows which, of so many bytes each. */
  readonly rows?: { readonly count: number; readonly bytes: number };
}

/** A row somewhere in a file is fetched with what surrounds it. */
const AROUND = 4 * 2 ** 10;

/** Whole tensors that will be read; those that are made of no bytes are none. */
export function wholeTensors(store: TensorStore, what: string, names: readonly string[]): Need[] {
  return names.map((name) => store.place(name)).filter((place) => place !== undefined).map((place) => ({
    what,
    place,
  }));
}

/** So many rows of a tensor, nobody knows which. */
export function someRows(store: TensorStore, what: string, name: string, count: number): Need[] {
  const place = store.place(name);
  if (place === undefined) return [];
  const [rows = 1] = store.tensors.get(name)!.shape;
  return [{ what, place, ...(count < rows && { rows: { count, bytes: place.length / rows } }) }];
}

/** What of one file will be read. */
interface FileNeeds {
  readonly source: FileSource;
  readonly file: string;
  /** Surely. */
  readonly parts: readonly ByteRange[];
  /** Tables of which some rows will be. */
  readonly tables: readonly (ByteRange & { readonly rows: NonNullable<Need["rows"]> })[];
}

/** Neighbours are one request: ascending parts by file. */
function byFile(needs: readonly Need[]): FileNeeds[] {
  const sources = [...Map.groupBy(needs, ({ place: { source } }) => source).values()];
  const groups = sources.flatMap((some) => [...Map.groupBy(some, ({ place: { file } }) => file).values()]);
  return groups.map((group) => {
    const ascending = group.toSorted((a, b) => a.place.offset - b.place.offset);
    const { source, file } = group[0].place;
    return {
      source,
      file,
      parts: ascending.filter(({ rows }) => rows === undefined).map(({ place }) => place),
      tables: ascending.flatMap(({ place: { offset, length }, rows }) => rows ? [{ offset, length, rows }] : []),
    };
  });
}

/**
 * What needs cost where their files are fetched; what is on this machine, and what nobody keeps, counts as there. Of
 * tables of which nobody knows which rows will be read it is about right.
 */
export async function priceOf(needs: readonly Need[]): Promise<ReadCost> {
  const costs = await Promise.all(byFile(needs).map(costOfFile));
  return {
    missing: costs.reduce((sum, { missing }) => sum + missing, 0),
    there: costs.reduce((sum, { there }) => sum + there, 0),
  };
}

async function costOfFile({ source, file, parts, tables }: FileNeeds): Promise<ReadCost> {
  const cost = async (some: readonly ByteRange[]): Promise<ReadCost> =>
    await source.cost?.(file, some) ?? { missing: 0, there: some.reduce((sum, { length }) => sum + length, 0) };
  let { missing, there } = await cost(parts);
  for (const { rows: { count, bytes }, ...table } of tables) {
    const whole = await cost([table]);
    // As many of the rows are there as of all bytes.
    const share = whole.missing / Math.max(1, whole.missing + whole.there);
    missing += Math.round(count * (bytes + AROUND) * share);
    there += Math.round(count * bytes * (1 - share));
  }
  // A small file is fetched whole.
  const all = await cost([...parts, ...tables].toSorted((a, b) => a.offset - b.offset));
  return { missing: Math.min(missing, all.missing), there: Math.min(there, all.there) };
}

/**
 * Fetches what will surely be read, a file after another, for each is fetched in several requests at a time. Rows of
 * which nobody knows which are left to whoever reads them.
 */
export async function fetchNeeds(needs: readonly Need[], signal?: AbortSignal): Promise<void> {
  for (const { source, file, parts } of byFile(needs)) await source.fetch?.(file, parts, signal);
}
