/**
 * What a question will read, before it is asked: its price where files are fetched, and fetching all of it at once.
 *
 * @module
 */
import { settleAll } from "../../concurrency.ts";
import type { ByteRange } from "../files/ranges.ts";
import type { FileSource, ReadCost } from "../files/file_source.ts";
import type { TensorPlace, TensorStore } from "./tensors.ts";

/** Bytes that will be read. */
export interface Need {
  /** What they are for, in the plural: `blocks`. */
  readonly what: string;
  readonly place: TensorPlace;
  /** Only so many of its rows will be, nobody knows which, of so many bytes each. */
  readonly rows?: { readonly count: number; readonly bytes: number };
}

/** What something costs. */
export interface PricedNeed extends ReadCost {
  readonly what: string;
  /** About: which rows will be read is not known. */
  readonly isEstimate: boolean;
}

/** What a question costs, in all and one by one. */
export interface Price extends ReadCost {
  readonly needs: readonly PricedNeed[];
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

/** What of one file is for one thing. */
interface Group {
  readonly what: string;
  readonly source: FileSource;
  readonly file: string;
  readonly rows: Need["rows"];
  readonly parts: ByteRange[];
}

/** Ascending parts by file and purpose: neighbours are one request. */
function groupNeeds(needs: readonly Need[]): Group[] {
  const groups: Group[] = [];
  for (const { what, place: { source, file, offset, length }, rows } of needs) {
    let group = groups.find((one) => one.what === what && one.source === source && one.file === file && !one.rows);
    if (group === undefined || rows) groups.push(group = { what, source, file, rows, parts: [] });
    group.parts.push({ offset, length });
  }
  for (const { parts } of groups) parts.sort((a, b) => a.offset - b.offset);
  return groups;
}

/** What needs cost where their files are fetched; what is on this machine, and what nobody keeps, counts as here. */
export async function priceOf(needs: readonly Need[]): Promise<Price> {
  const priced = new Map<string, PricedNeed>();
  for (const { what, source, file, rows, parts } of groupNeeds(needs)) {
    const all = parts.reduce((sum, { length }) => sum + length, 0);
    const whole = await source.cost?.(file, parts) ?? { missing: 0, there: all };
    const before = priced.get(what) ?? { what, missing: 0, there: 0, isEstimate: false };
    const cost = rows === undefined ? whole : costOfRows(whole, rows);
    priced.set(what, {
      what,
      missing: before.missing + cost.missing,
      there: before.there + cost.there,
      isEstimate: before.isEstimate || cost.missing > 0 && rows !== undefined,
    });
  }
  const list = [...priced.values()];
  const sum = (of: (need: PricedNeed) => number): number => list.reduce((total, need) => total + of(need), 0);
  return { missing: sum(({ missing }) => missing), there: sum(({ there }) => there), needs: list };
}

/** As many of the rows are here as of all bytes. */
function costOfRows(whole: ReadCost, { count, bytes }: NonNullable<Need["rows"]>): ReadCost {
  const share = whole.missing / Math.max(1, whole.missing + whole.there);
  const missing = Math.min(whole.missing, Math.round(count * (bytes + AROUND) * share));
  return { missing, there: Math.round(count * bytes * (1 - share)) };
}

/** Fetches what will surely be read, all at once. Rows of which nobody knows which are left to whoever reads them. */
export async function fetchNeeds(needs: readonly Need[], signal?: AbortSignal): Promise<void> {
  const sure = groupNeeds(needs).filter(({ rows }) => rows === undefined);
  await settleAll(sure.map(({ source, file, parts }) => source.fetch?.(file, parts, signal)));
}
