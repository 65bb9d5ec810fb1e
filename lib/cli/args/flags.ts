/**
 * The library's messages in the words of the command line.
 *
 * @module
 */
import type { Field } from "../../request/field.ts";
import { REQUEST_FIELDS } from "../../request/fields.ts";
import { inWords, sayFlag } from "../../request/request_error.ts";

/**
 * A message with the library's options as flags.
 *
 * @param options further ones, of one command
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { inFlags } from "./flags.ts";
 *
 * assert.equal(inFlags("leave it out (`includeErrorTerm: false`)"), "leave it out (--no-error-term)");
 * ```
 */
export function inFlags(message: string, options: Readonly<Record<string, Field>> = {}): string {
  return inWords(message, { ...REQUEST_FIELDS, ...options }, sayFlag);
}
