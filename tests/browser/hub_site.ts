/** The page of {@linkcode ./hub_page.ts}, bundled and served. */
import { stop } from "../../lib/deps/esbuild.ts";
import { bundle } from "../../lib/site/build/bundle.ts";

const ROOT = new URL("../../", import.meta.url);
const [PAGE, WORKER] = ["tests/browser/hub_page.ts", "lib/web/worker.ts"];
/** Which let a page share memory. */
const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** A server of the page. */
export interface HubSite extends AsyncDisposable {
  readonly host: string;
  readonly url: string;
}

/** Bundles and serves it. */
export async function serveHubPage(): Promise<HubSite> {
  const directory = await Deno.makeTempDir();
  const { files } = await bundle({ entries: [PAGE, WORKER], directory: `${directory}/modules`, platform: "browser" })
    .finally(stop);
  const html = `<!doctype html><html lang="en"><title>Test</title><input type="file" webkitdirectory>
    <script type="module" src="modules/${files.get(PAGE)}"></script></html>`;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/") return new Response(html, { headers: { "content-type": "text/html", ...ISOLATED } });
    const isModule = pathname.startsWith("/modules/");
    const place = isModule ? `${directory}${pathname}` : new URL(`.${pathname}`, ROOT);
    const bytes = await Deno.readFile(place).catch(() => undefined);
    if (bytes === undefined) return new Response(null, { status: 404 });
    const type = isModule ? "text/javascript" : pathname.endsWith(".json") ? "application/json" : "";
    return new Response(bytes, { headers: { "content-type": type, ...ISOLATED } });
  });
  const host = `127.0.0.1:${server.addr.port}`;
  return {
    host,
    url: `http://${host}/`,
    async [Symbol.asyncDispose](): Promise<void> {
      await server.shutdown();
      await Deno.remove(directory, { recursive: true });
    },
  };
}
