/**
 * What a client is told when its request cannot be answered.
 *
 * @module
 */

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

/** The JSON of an error. */
export function errorBody({ status, message }: { readonly status: number; readonly message: string }): ErrorBody {
  return { error: { status, message } };
}
