import type { ByteRange } from "../../files/ranges.ts";
import type { Span } from "./spans.ts";

/** Where the parts of one file are kept that have been fetched. */
export interface RangeStore {
  /** What is there, ascending and apart. */
  readonly spans: readonly Span[];
  /** Goes on filling a span with bytes, which are copied. It counts once it is kept. */
  write(offset: number, bytes: Uint8Array, span: Span): Promise<void>;
  /** Parts that have been filled are there from now on. */
  keep(spans: readonly Span[], signal: AbortSignal): Promise<void>;
  /** Reads what is there; false where it has gone meanwhile, and is no more among the spans. */
  read(offset: number, into: Uint8Array): Promise<boolean>;
  /** The same of many parts, one after another into `into`. */
  readParts(parts: readonly ByteRange[], into: Uint8Array): Promise<boolean>;
  /** Gives back handles; idempotent. */
  close(): Promise<void>;
}
