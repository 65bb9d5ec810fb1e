/** Faults of servers for the tests. */

/** One of some. */
export function pick<T>(random: () => number, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)];
}

/** A body of so many bytes, over and over those that are given, and then its end or a broken connection. */
export function bodyOf(bytes: Uint8Array<ArrayBuffer>, length: number, end: "close" | "break"): ReadableStream {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      const chunk = bytes.length === 0 ? new Uint8Array(50_000) : bytes.slice(sent % bytes.length).slice(0, 50_000);
      const part = chunk.subarray(0, Math.min(chunk.length, length - sent));
      if (part.length > 0) controller.enqueue(part);
      sent += part.length;
      if (sent < length) return;
      if (end === "close") controller.close();
      else controller.error(new Error("cut"));
    },
  });
}
