import assert from "node:assert/strict";
import { buildPages } from "../../lib/web/page/build.ts";

Deno.test("what browsers get is made of its sources: deno task page writes it anew", async () => {
  for await (const [file, text] of buildPages()) assert.ok(await Deno.readTextFile(file) === text, `${file} is old`);
});
