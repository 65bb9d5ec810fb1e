/** The static site as it is built: everything that a script reaches is there, small enough, and asked for by its place. */
import assert from "node:assert/strict";
import { rewriteAddresses } from "../../lib/site/build/addresses.ts";
import { buildSite } from "../../lib/site/build/build.ts";
import { stop } from "../../lib/deps/esbuild.ts";
import { fromFileUrl } from "../../lib/weights/files/places.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const SITE = await Deno.makeTempDir();
Deno.test.afterAll(() => Deno.remove(SITE, { recursive: true }));

/** Sources that import data by an address that only they know. */
const IMPORTS_DATA = ["lib/registry/data.ts"];

function sizesBelow(directory: string): Map<string, number> {
  const found = [...Deno.readDirSync(directory)].flatMap(({ name, isDirectory }): [string, number][] =>
    isDirectory
      ? [...sizesBelow(`${directory}/${name}`)]
      : [[`${directory}/${name}`, Deno.statSync(`${directory}/${name}`).size]]
  );
  return new Map(found);
}

/** A source without its comments. */
function codeOf(path: string): string {
  return Deno.readTextFileSync(ROOT + path).split("\n").filter((line) => !/^\s*(\/?\*|\/\/)/.test(line)).join("\n");
}

Deno.test({
  name: "the site: no address escapes the bundle, and sizes",
  sanitizeOps: false, // the bundler's process ends a little later
  sanitizeResources: false,
  async fn(t) {
    const sources = await buildSite(SITE);
    await stop();
    const sizes = sizesBelow(SITE);

    await t.step(
      "what the scripts compute from their own place is a literal import, a script or data of the site",
      () => {
        assert.ok(sources.length > 100);
        const started = new Set<string>();
        let data = 0;
        for (const module of sources.filter((path) => path.endsWith(".ts"))) {
          const worker = (path: string): string => {
            started.add(path);
            return "worker.js";
          };
          const text = rewriteAddresses(codeOf(module), { module, worker });
          const rest = text.replace(/new URL\("([^"]+)", import\.meta\.url\)/g, (_, address) => {
            if (address !== "./worker.js") {
              assert.ok(
                Deno.statSync(new URL(address, `file://${SITE}/modules/`)).isDirectory,
                `${module}: ${address}`,
              );
              data++;
            }
            return "";
          });
          assert.doesNotMatch(rest, /import\.meta\.url/, module);
          const computed = [...rest.matchAll(/\bimport\((?!"\.{1,2}\/|[`"]node:)/g)];
          assert.equal(computed.length, IMPORTS_DATA.includes(module) ? 1 : 0, module);
        }
        assert.deepEqual([...started].sort(), ["lib/runtime/kernels/thread.ts", "lib/web/worker.ts"]);
        assert.ok(data >= 2);
      },
    );

    await t.step("it has less than 4 MB, and no script more than 600 kB", () => {
      const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
      assert.ok(total < 4_000_000, `${total} bytes`);
      const scripts = [...sizes].filter(([path]) => path.endsWith(".js"));
      assert.ok(scripts.length > 20);
      for (const [path, size] of scripts) assert.ok(size < 600_000, `${path}: ${size} bytes`);
    });

    await t.step("the page names its parts by relative addresses, and they are there", () => {
      const html = Deno.readTextFileSync(`${SITE}/index.html`);
      const named = Array.from(html.matchAll(/(?:src|href)="([^"#]+)"/g), ([, address]) => address);
      assert.ok(named.length >= 3);
      for (const address of named) assert.ok(sizes.has(`${SITE}/${address}`), address);
    });

    await t.step("the same sources give the same names", async () => {
      await buildSite(SITE);
      await stop();
      assert.deepEqual([...sizesBelow(SITE).keys()].sort(), [...sizes.keys()].sort());
    });
  },
});
