import assert from "node:assert/strict";
import { assetPaths } from "../../lib/web/assets.ts";
import { EXAMPLE } from "./ask.ts";

const ROOT = new URL("../../", import.meta.url);

/** Serves the repository's files, as a static host would. */
function serveRepository(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const path = new URL(request.url).pathname.slice(1);
    const type = path.endsWith(".ts")
      ? "application/typescript"
      : path.endsWith(".json")
      ? "application/json"
      : "text/plain";
    try {
      const bytes = await Deno.readFile(new URL(path, ROOT));
      const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
      if (start === undefined) return new Response(bytes, { headers: { "content-type": type } });
      const last = Math.min(Number(end), bytes.length - 1);
      return new Response(bytes.subarray(Number(start), last + 1), {
        status: 206,
        headers: { "content-type": type, "content-range": `bytes ${start}-${last}/${bytes.length}` },
      });
    } catch {
      return new Response("not found", { status: 404 });
    }
  });
}

Deno.test("the page, its worker and its files also come over HTTP", async () => {
  await using repository = serveRepository();
  const base = `http://127.0.0.1:${repository.addr.port}`;
  const directory = await Deno.makeTempDir();
  try {
    const script = `
      import { servePage } from "${base}/lib/web/serve.ts";
      await using server = await servePage({ worker: { device: "auto", threads: 1 } });
      const ask = async (path, init) => {
        const response = await fetch("http://127.0.0.1:" + server.port + path, init);
        if (!response.ok) throw new Error(path + " " + response.status);
        return await response.text();
      };
      for (const path of ${JSON.stringify(assetPaths())}) await ask(path);
      const headers = { "content-type": "application/json" };
      const body = ${JSON.stringify(JSON.stringify({ ...EXAMPLE, cards: 2 }))};
      const report = JSON.parse(await ask("/api/attribute", { method: "POST", headers, body }));
      console.log(report.metric.words, report.saes[0].rows.feature.length, Object.keys(report.saes[0].cards).length);`;
    await Deno.writeTextFile(`${directory}/script.ts`, script);
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-config", "--no-lock", "--no-check", `--reload=${base}`, "script.ts"],
      cwd: directory,
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    assert.equal(new TextDecoder().decode(stdout), "logit of ·golf - logit of ·tennis 89 2\n");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
