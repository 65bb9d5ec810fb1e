/**
 * The size of the tiles that matrix products are made of.
 *
 * @module
 */

/** Rows of a tile. */
export const TILE_ROWS = 2;
/** Columns of a tile. */
export const TILE_COLUMNS = 24;
/** The most rows that go through an operand which is not packed at once. */
export const STREAM_ROWS = 4;
