import assert from "node:assert/strict";
import { hashText, makeHash } from "../../lib/platform/hash.ts";

Deno.test("digests: of a text, and of bytes that come in parts", async () => {
  // FIPS 180-2, appendix B.1, and git's hash of an empty blob
  const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(await hashText("abc"), abc);
  const hash = await makeHash("sha256");
  hash.update(new TextEncoder().encode("a"));
  hash.update("bc");
  assert.equal(hash.digest("hex"), abc);
  const git = await makeHash("sha1");
  git.update("blob 0\0");
  assert.equal(git.digest("hex"), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
});
