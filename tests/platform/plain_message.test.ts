import assert from "node:assert/strict";
import { fileError } from "../../lib/platform/file_error.ts";
import { plainMessage } from "../../lib/platform/plain_message.ts";

/** What something throws. */
function thrown(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  throw new assert.AssertionError({ message: "nothing was thrown" });
}

Deno.test("messages: memory that the engine refuses says what to do", () => {
  const what = /^There is not enough memory \(.*\): free some, or do less at once \(fewer threads or workers, .*\)$/;
  for (const bytes of [2 ** 45, 2 ** 46]) assert.match(plainMessage(thrown(() => new ArrayBuffer(bytes))), what);
  assert.match(plainMessage(thrown(() => new Float32Array(2 ** 42))), what);
  const addresses = "WebAssembly.Memory(): could not allocate memory"; // in V8's words
  assert.match(plainMessage(new RangeError(addresses)), what);
  assert.equal(plainMessage(new Error("shard 3 failed, Array buffer allocation failed")).split("\n").length, 1);
});

Deno.test("messages: the system's words without its numbers, of every kind of failure", async () => {
  const directory = await Deno.makeTempDir();
  await Deno.writeTextFile(`${directory}/file`, "");
  const failures = [
    () => Deno.readFileSync(`${directory}/none`),
    () => Deno.readFileSync(directory),
    () => Deno.openSync(`${directory}/file/x`),
    () => Deno.statSync(`${directory}/${"x".repeat(300)}`),
    () => Deno.mkdirSync(directory),
    () => Deno.removeSync(`${directory}/none`),
  ];
  for (const failure of failures) {
    const error = thrown(failure);
    assert.match(error.message, /\(os error \d+\)/);
    assert.doesNotMatch(plainMessage(error), /os error|\n/);
    for (const action of ["read", "write"] as const) {
      const told = fileError(action, "a/b", error) as Error;
      assert.match(told.message, new RegExp(`^Cannot ${action} a/b: `));
      assert.doesNotMatch(told.message, /os error|\n/);
      assert.equal(told.cause, error);
      if (error.constructor !== Error) assert.ok(told instanceof error.constructor || told.constructor === Error);
    }
  }
  const own = new RangeError("a message of our own");
  assert.equal(fileError("read", "a/b", own), own);
  assert.equal(plainMessage(own), own.message);
  await Deno.remove(directory, { recursive: true });
});
