/**
 * The Parquet reader, imported by a computed address when a file needs it.
 *
 * @module
 */
export { parquetMetadataAsync, parquetReadObjects, parquetSchema } from "npm:hyparquet@1.31.5";
export type { AsyncBuffer } from "npm:hyparquet@1.31.5";
