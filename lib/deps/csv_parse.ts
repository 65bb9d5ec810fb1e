/**
 * The CSV reader, imported by a computed address when a file needs it.
 *
 * @module
 */
export { parse } from "npm:csv-parse@7.0.3/sync";
