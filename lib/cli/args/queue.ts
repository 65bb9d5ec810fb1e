/**
 * The address of a queue.
 *
 * @module
 */
import { UsageError } from "./values.ts";

/** The option. */
export const QUEUE_OPTION = {
  kind: "string",
  placeholder: "URL",
  help: "the address of a Redis, such as redis://localhost:6379",
} as const;

/**
 * The address of a Redis.
 *
 * @throws {UsageError} if it is none
 */
export function readQueue(text: string): string {
  if (URL.canParse(text) && /^rediss?:$/.test(new URL(text).protocol)) return text;
  throw new UsageError(`--queue is no address of a Redis: give one such as redis://localhost:6379`);
}
