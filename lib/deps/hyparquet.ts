/**
 * The Parquet reader, imported by a computed address when a file needs it.
 *
 * @module
 */
export { parquetMetadataAsync, parquetReadObjects } from "npm:hyparquet@1.31.5";
export type { AsyncBuffer, FileMetaData } from "npm:hyparquet@1.31.5";
export { parquetHeader } from "npm:hyparquet@1.31.5/src/column.js";
export { deltaBinaryUnpack } from "npm:hyparquet@1.31.5/src/delta.js";
export type { PageHeader } from "npm:hyparquet@1.31.5/src/types.js";
