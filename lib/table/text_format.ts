/**
 * Formats whose files are text: rows, and what stands around them.
 *
 * @module
 */
import type { RowEncoder, Table } from "./table.ts";

/** What stands around the rows of a file. */
export interface Frame {
  /** Before the first row. */
  readonly open: string;
  /** Between two pieces of rows. */
  readonly between: string;
  /** After the last row. */
  readonly close: string;
  /** A file without rows. */
  readonly empty: string;
}

/** A format. */
export interface TextFormat {
  /** The frame of a table with these columns. */
  frame(columns: readonly string[]): Frame;
  /** The rows in pieces of about 64 KB. */
  pieces(table: Table): Iterable<string>;
}

/** Puts what goes before a piece of rows, and after the last. */
class Framing {
  readonly #frame: Frame;
  #isFirst = true;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  before(): string {
    const { open, between } = this.#frame;
    const text = this.#isFirst ? open : between;
    this.#isFirst = false;
    return text;
  }

  end(): string {
    return this.#isFirst ? this.#frame.empty : this.#frame.close;
  }
}

/** A whole table in pieces of about 64 KB, so that it is written without one giant string. */
export function* textChunks(format: TextFormat, table: Table): Generator<string> {
  const framing = new Framing(format.frame(table.columns));
  for (const piece of format.pieces(table)) yield framing.before() + piece;
  const end = framing.end();
  if (end !== "") yield end;
}

/** Rows as they come. */
export function textEncoder(format: TextFormat, columns: readonly string[]): RowEncoder {
  const framing = new Framing(format.frame(columns));
  const encoder = new TextEncoder();
  return {
    rows: (rows) => Array.from(format.pieces({ columns, rows }), (piece) => encoder.encode(framing.before() + piece)),
    end() {
      const end = framing.end();
      return end === "" ? [] : [encoder.encode(end)];
    },
  };
}

/** Files of tables with the same columns put together: their rows in one frame. */
export async function* joinFiles(
  format: TextFormat,
  columns: readonly string[],
  files: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const frame = format.frame(columns);
  const framing = new Framing(frame);
  const [open, close, empty] = [frame.open, frame.close, frame.empty].map((text) => encoder.encode(text).length);
  for await (const bytes of files) {
    if (bytes.length === empty) continue; // no file with rows is as short
    yield encoder.encode(framing.before());
    yield bytes.subarray(open, bytes.length - close);
  }
  yield encoder.encode(framing.end());
}
