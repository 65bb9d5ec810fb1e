import assert from "node:assert/strict";
import { axeViolations, browserTest } from "./browser.ts";

browserTest("errors, requests and violations of accessibility are seen", async (browser) => {
  const watched = await browser.open();
  await watched.page.setContent(
    `<img src="http://127.0.0.1:1/a.png"><button></button><script>undefinedName()</script>`,
  );
  await watched.page.waitForFunction("document.images[0].complete");
  assert.deepEqual(watched.requests, ["http://127.0.0.1:1/a.png"]);
  assert.match(watched.errors.join(), /undefinedName is not defined/);
  const violations = await axeViolations(watched);
  assert.deepEqual(violations.map((line) => line.split(":")[0]), [
    "button-name",
    "document-title",
    "html-has-lang",
    "image-alt",
  ]);
});
