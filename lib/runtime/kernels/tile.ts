/**
 * The sizes of the parts that matrix products are made of.
 *
 * @module
 */

/** Rows of a tile. */
export const TILE_ROWS = 2;
/** Columns of a tile. */
export const TILE_COLUMNS = 24;
/** Steps of k that a packed strip holds (18 KiB stay in the processor's nearest cache), and that one chain of sums has. */
export const STRIP_STEPS = 192;
/** The most rows that go through an operand which is not packed at once. */
export const STREAM_ROWS = 4;
