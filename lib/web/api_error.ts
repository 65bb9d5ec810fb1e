/**
 * What a client is told when its request cannot be answered.
 *
 * @module
 */

import { messageLine } from "../quote.ts";

/** A refusal or failure with its HTTP status: one line that says what was wrong and what to do. */
export class ApiError extends Error {
  /** Tells it apart in messages. */
  override name = "ApiError";
  /** The HTTP status. */
  readonly status: number;
  /** After so many seconds it may be tried again. */
  readonly retryAfter?: number;

  constructor(status: number, message: string, retryAfter?: number) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** An error as JSON has it. */
export interface ErrorBody {
  /** What was wrong. */
  readonly error: { readonly status: number; readonly message: string };
}

/** The JSON of an error. What went wrong inside (5xx) shows no places of this machine. */
export function errorBody(error: unknown): ErrorBody {
  const status = error instanceof ApiError ? error.status : 500;
  const message = messageLine(error);
  return { error: { status, message: status >= 500 ? withoutDirectories(message) : message } };
}

/** A text with the last parts alone of the absolute paths in it. */
function withoutDirectories(text: string): string {
  const [before, name] = [String.raw`(^|[\s"'\x60(=,:])`, String.raw`([^\s"'\x60:;,()]*)`];
  const path = String.raw`(?:file:\/\/)?(?:\/|[A-Za-z]:[\\/]|\\\\)(?:[^"'\x60:;,()\\/]+[\\/])+`;
  return text.replace(new RegExp(before + path + name, "g"), "$1…/$2");
}
