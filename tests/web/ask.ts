/** What the tests of the local page's server share. */
import { type PageServer, type ServeOptions, servePage } from "../../lib/web/serve.ts";

export const PROMPT = " Tiger Woods plays the sport of";
export const SAE = "tiny-facts/blocks.3.hook_resid_pre";
/** The body of the README's example. */
export const EXAMPLE = { prompt: PROMPT, metric: { positive: [" golf"], negative: [" tennis"] } };

/** A server with the bundled model, in one thread: its numbers are then the same as everywhere. */
export function startServer(options: ServeOptions = {}): Promise<PageServer> {
  return servePage({ worker: { device: "auto", threads: 1 }, ...options });
}

/** Asks a server with JSON. */
export function post(
  { port }: { readonly port: number },
  path: string,
  body: unknown,
  { headers = {}, signal }: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
    signal,
  });
}

/** The message of a refusal, with its status. */
export async function refusal(response: Response): Promise<string> {
  const { error } = await response.json();
  return `${response.status} ${error.message}`;
}

/** Sends bytes as they are and returns what comes back, until the server closes or says nothing more. */
export async function sendRaw({ port }: { readonly port: number }, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(text));
  let answer = "";
  const buffer = new Uint8Array(65536);
  const deadline = setTimeout(() => connection.close(), 3000);
  try {
    for (;;) {
      const n = await connection.read(buffer);
      if (n === null) break;
      answer += new TextDecoder().decode(buffer.subarray(0, n));
    }
  } catch { /* closed at the deadline, or by the server in the middle */ }
  clearTimeout(deadline);
  return answer;
}
