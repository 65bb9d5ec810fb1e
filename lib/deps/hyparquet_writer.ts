/**
 * The Parquet writer, imported by a computed address when a table is written so.
 *
 * @module
 */
export { ByteWriter, ParquetWriter } from "npm:hyparquet-writer@0.17.0";
