/**
 * Decompression for Parquet files of other programs: gzip, Zstandard, Brotli, LZ4.
 *
 * @module
 */
export { compressors } from "npm:hyparquet-compressors@1.1.2";
