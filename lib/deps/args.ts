/**
 * The argument parser of the standard library.
 *
 * @module
 */
export { parseArgs } from "node:util";
