/**
 * The system's errors by what went wrong: in Deno its own classes, elsewhere classes of the same names.
 *
 * @module
 */

const NAMES = [
  "AlreadyExists",
  "BadResource",
  "BrokenPipe",
  "ConnectionReset",
  "Http",
  "IsADirectory",
  "NotADirectory",
  "NotCapable",
  "NotFound",
  "NotSupported",
  "PermissionDenied",
  "UnexpectedEof",
] as const;

type Errors = Readonly<Record<typeof NAMES[number], new (message?: string, options?: ErrorOptions) => Error>>;

function makeErrors(): Errors {
  const classes = NAMES.map((name) =>
    class extends Error {
      override readonly name = name;
    }
  );
  return Object.fromEntries(NAMES.map((name, i) => [name, classes[i]])) as unknown as Errors;
}

/** By name. */
const errors: Errors = typeof Deno === "undefined" ? makeErrors() : Deno.errors;

export const {
  AlreadyExists,
  BadResource,
  BrokenPipe,
  ConnectionReset,
  Http,
  IsADirectory,
  NotADirectory,
  NotCapable,
  NotFound,
  NotSupported,
  PermissionDenied,
  UnexpectedEof,
}: Errors = errors;

/** Whether an error says that there is nothing at a path, be it that what stands above it is not a directory. */
export function isAbsence(error: unknown): boolean {
  return error instanceof NotFound || error instanceof NotADirectory;
}
