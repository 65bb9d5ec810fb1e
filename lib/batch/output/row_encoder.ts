import type { Cell } from "../../table/table.ts";

/** Takes rows and gives bytes. */
export interface RowEncoder {
  /** The bytes of further rows, as far as they are ready; with the first ones comes what stands before them. */
  rows(rows: readonly (readonly Cell[])[]): Uint8Array[];
  /** What is left. */
  end(): Uint8Array[];
}
