/**
 * Reading the JSON of a request, no more than is allowed.
 *
 * @module
 */
import { messageLine } from "../quote.ts";
import { parseJsonObject } from "../weights/json/json.ts";
import { ApiError } from "./api_error.ts";

/** The longest request: a prompt of some ten thousand tokens. */
const MOST_BYTES = 256 * 1024;

/**
 * The JSON object of a request's body.
 *
 * @throws {ApiError} 415 if it is not said to be JSON, 413 if it is too long, 400 if it is no JSON object
 */
export async function readBody(request: Request): Promise<Record<string, unknown>> {
  // A form of another site cannot send this type without asking first.
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new ApiError(415, "The body is not JSON: send it with the header content-type: application/json");
  }
  const text = new TextDecoder().decode(await readBytes(request));
  try {
    return parseJsonObject(text, "the body");
  } catch (error) {
    throw new ApiError(400, messageLine(error));
  }
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const tooLong = new ApiError(413, `The body is longer than ${MOST_BYTES} bytes: shorten the prompt`);
  if (Number(request.headers.get("content-length")) > MOST_BYTES) throw tooLong;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > MOST_BYTES) throw tooLong;
    chunks.push(chunk);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
