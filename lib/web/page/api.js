/**
 * Asking the server: plain lists, and jobs whose answer comes line by line.
 */

/** This page among others; it need not be secret. */
const CLIENT = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16)).join("");

/** What the server refuses because too many wait is asked for again so many times. */
const TRIES = 8;

/** The JSON at a path. */
export async function getJson(path, { signal } = {}) {
  const response = await fetch(path, { signal });
  if (!response.ok) throw await errorOf(response);
  return await response.json();
}

/**
 * Does a job; `onEvent` hears of its place in the queue and its progress. Aborting the signal gives it up.
 *
 * @returns the last event: the answer
 */
export async function runJob(path, body, { signal, onEvent }) {
  const response = await ask(path, body, signal, onEvent);
  let last;
  for await (const event of lines(response.body)) {
    if (event.type === "error") throw new Error(event.message);
    onEvent(event);
    last = event;
  }
  if (last === undefined) throw new Error("The server ended the run without an answer: try again");
  return last;
}

async function ask(path, body, signal, onEvent) {
  for (let left = TRIES;; left--) {
    const response = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", "accept": "application/x-ndjson", "x-client": CLIENT },
      body: JSON.stringify(body),
      signal,
    }).catch((error) => {
      if (signal.aborted) throw error;
      throw new Error("The server does not answer: is it still running?");
    });
    if (response.ok) return response;
    const isBusy = response.status === 429 || response.status === 503;
    if (!isBusy || left === 0) throw await errorOf(response);
    onEvent({ type: "busy" });
    await pause(1000 * (Number(response.headers.get("retry-after")) || 1), signal);
  }
}

async function errorOf(response) {
  const body = await response.json().catch(() => undefined);
  return new Error(body?.error?.message ?? `The server answers ${response.status}`);
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** The JSON values of a stream of lines. */
async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const line of parts) yield JSON.parse(line);
  }
}
