import assert from "node:assert/strict";
import { MOST_TEXT_BYTES, readText, readTextFile } from "../../lib/platform/read_text.ts";
import { withDirectory } from "../weights/fixtures.ts";

Deno.test("a text file is read whole, characters across reads included", async () => {
  const text = "☃".repeat(100_000);
  await withDirectory(
    { a: `\ufeff${text}`, b: new Uint8Array([0x61, 0xff]), c: new Uint8Array([0xe2, 0x98]) },
    async (d) => {
      assert.equal(await readTextFile(`${d}/a`), text);
      for (const name of ["b", "c"]) {
        await assert.rejects(readTextFile(`${d}/${name}`, "prompts from"), {
          name: "SyntaxError",
          message: `Cannot read prompts from ${d}/${name}: it is no text in UTF-8, convert it first`,
        });
      }
      await assert.rejects(readTextFile(d), {
        name: "IsADirectory",
        message: `Cannot read ${d}: it is a directory, give a file`,
      });
      await assert.rejects(readTextFile(`${d}/none`), {
        name: "NotFound",
        message: `Cannot read ${d}/none: there is no such file`,
      });
    },
  );
});

Deno.test("what does not end is left when more has come than is read", async () => {
  let chunks = 0;
  const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      chunks++;
      controller.enqueue(new Uint8Array(2 ** 20));
    },
  });
  await assert.rejects(readText(endless, "it"), {
    name: "RangeError",
    message: /^Cannot read it: it has more than 67108864 /,
  });
  assert.ok(chunks <= MOST_TEXT_BYTES / 2 ** 20 + 3, `${chunks} MiB`);
});
