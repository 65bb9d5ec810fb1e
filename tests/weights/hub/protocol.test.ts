import assert from "node:assert/strict";
import { COMMIT, COMMIT_2, etagOf, type FakeFile, type Fault, makeBytes, textFile, tree, withHub } from "./fake_hub.ts";

const config = textFile("{}");
const weights: FakeFile = { bytes: makeBytes(100_000), lfs: true };

Deno.test("the token goes to the hub and to no other address", async () => {
  await withHub({ "m.safetensors": weights, "config.json": config }, async (hub, open) => {
    hub.token = "hf_secret";
    await using source = open({ token: "hf_secret\n" });
    await source.readText("config.json");
    await source.download("m.safetensors");
    for (const { at, authorization } of hub.seen) assert.equal(authorization, at === "hub" ? "Bearer hf_secret" : null);
    assert.ok(hub.seen.some(({ at }) => at === "storage"));
  });
  // A chain that leads away and back: trust is lost for good.
  await withHub({ "config.json": config }, async (hub, open) => {
    const base = hub.endpoint;
    const other = base.replace("127.0.0.1", "localhost");
    hub.fault = (request) => {
      const { pathname, host } = new URL(request.url);
      if (pathname.startsWith("/owner/name")) return Response.redirect(`${other}/there${pathname}`, 307);
      if (host.startsWith("localhost")) return Response.redirect(`${base}/back${pathname}`, 307);
      return new Response("{}", { headers: { "x-repo-commit": COMMIT, etag: `"${etagOf(config)}"` } });
    };
    await using source = open({ token: "hf_secret" });
    assert.equal(await source.size("config.json"), 2);
    assert.deepEqual(hub.seen.map(({ authorization }) => authorization), ["Bearer hf_secret", null, null]);
  });
});

Deno.test("a token is read from the file where one logs in", async () => {
  await withHub({ "config.json": config }, async (hub, open, home) => {
    hub.token = "hf_file";
    await Deno.writeTextFile(`${home}/token`, "hf_file\n");
    await using source = open({ token: undefined, tokenFile: `${home}/token` });
    assert.equal(await source.readText("config.json"), "{}");
  });
});

Deno.test("a token that cannot be one is an error before anything is asked for", async () => {
  await withHub({ "config.json": config }, async (hub, open) => {
    await using source = open({ token: "hf_s3cret hf_s3cret" });
    await assert.rejects(source.readText("config.json"), (error: Error) => {
      assert.match(error.message, /^HF_TOKEN is no token: character 10 of 19 is a space; copy it again/);
      return !Deno.inspect(error).includes("s3cret");
    });
    await assert.rejects(source.list(), /^RangeError: HF_TOKEN is no token/);
    assert.deepEqual(hub.seen, []);
  });
});

Deno.test("relative redirects are followed: a repository that was renamed", async () => {
  await withHub({ "config.json": config, "m.safetensors": weights }, async (hub, open) => {
    hub.fault = (request) => {
      const url = new URL(request.url);
      if (!url.pathname.startsWith("/old-name/")) return undefined;
      const location = url.pathname.replace("/old-name/", "/owner/name/");
      return new Response(null, { status: 307, headers: { location } });
    };
    await using source = open({ repo: "old-name" });
    assert.equal(await source.readText("config.json"), "{}");
    await source.download("m.safetensors");
    assert.equal(source.revision, COMMIT);
  });
});

Deno.test("redirects without end, and to what is no http address", async () => {
  for (
    const [location, message] of [["/again", /more than 10 redirects/], [
      "file:///etc/passwd",
      /protocol file:/,
    ]] as const
  ) {
    await withHub({}, async (hub, open) => {
      hub.fault = () => new Response(null, { status: 302, headers: { location } });
      await using source = open();
      await assert.rejects(source.size("config.json"), message);
    });
  }
});

Deno.test("absent files, revisions and repositories are told apart", async () => {
  await withHub({ "config.json": config }, async (_, open) => {
    await using source = open();
    assert.equal(await source.size("other.json"), undefined);
    await assert.rejects(source.readText("other.json"), {
      name: "NotFound",
      message: "Cannot read hf:owner/name@main:other.json: no such file",
    });
    await using revision = open({ revision: "v9" });
    await assert.rejects(
      revision.size("config.json"),
      /owner\/name\/config\.json on 127.* has no revision "v9"; give another$/,
    );
    await using repo = open({ repo: "owner/nothing" });
    await assert.rejects(
      repo.size("config.json"),
      /no such repository; check its name, if it is private, set HF_TOKEN$/,
    );
    await assert.rejects(repo.list(), /no such repository/);
  });
});

Deno.test("401 and 403 say what to do", async () => {
  await withHub({ "config.json": config }, async (hub, open) => {
    hub.token = "hf_good";
    hub.gated = true;
    await using nobody = open();
    const page = `${hub.endpoint}/owner/name`;
    await assert.rejects(
      nobody.size("config.json"),
      new RegExp(`accept its licence; do so at ${page} and set HF_TOKEN$`),
    );
    await using somebody = open({ token: "hf_other" });
    await assert.rejects(
      somebody.size("config.json"),
      new RegExp(`not been accepted with this account; do so at ${page}$`),
    );
    hub.gated = false;
    await using secret = open();
    await assert.rejects(secret.size("config.json"), /if it is private, set HF_TOKEN$/);
    hub.fault = () => new Response(null, { status: 401 });
    await using expired = open({ token: "hf_old" });
    await assert.rejects(expired.size("config.json"), /HTTP 401 .*the token is not valid; set HF_TOKEN anew$/);
    hub.fault = () => new Response(null, { status: 403 });
    await assert.rejects(expired.size("config.json"), /the token may not read it$/);
    const before = hub.seen.length;
    await assert.rejects(expired.size("config.json"));
    assert.equal(hub.seen.length, before + 1); // not tried again
  });
});

Deno.test("429 and 5xx are tried again, as late as the hub asks", async () => {
  const statuses = [429, 503, 500];
  let at = 0;
  const flaky: Fault = () =>
    at < statuses.length
      ? new Response(null, { status: statuses[at++], headers: { "retry-after": at === 1 ? "0.05" : "" } })
      : undefined;
  await withHub({ "config.json": config, "m.safetensors": weights }, async (hub, open) => {
    hub.fault = flaky;
    await using source = open();
    assert.equal(await source.size("config.json"), 2);
    assert.equal(hub.seen.length, 4);
    at = 0;
    hub.fault = (request, seen) => seen.at === "storage" ? flaky(request, seen) : undefined;
    assert.equal((await source.download("m.safetensors")).came, 100_000);
    hub.fault = () => new Response(null, { status: 502 });
    await assert.rejects(source.size("other"), /HTTP 502 Bad Gateway \(tried 4 times\)$/);
    hub.fault = () => new Response(null, { status: 429, headers: { "retry-after": "3600" } });
    await assert.rejects(source.size("other"), /HTTP 429 .*asks to wait 3600 s; try again then; a token \(HF_TOKEN\)/);
  });
});

Deno.test("a storage address that has run out is asked for again", async () => {
  await withHub({ "m.safetensors": weights }, async (hub, open) => {
    let count = 0;
    hub.fault = (_, { at }) => at === "storage" && count++ === 0 ? new Response(null, { status: 403 }) : undefined;
    await using source = open();
    await source.download("m.safetensors");
    assert.equal(hub.seen.filter(({ method }) => method === "HEAD").length, 2);
    hub.fault = (_, { at }) => at === "storage" ? new Response(null, { status: 403 }) : undefined;
    hub.files.set("n.safetensors", { bytes: makeBytes(10), lfs: true });
    await assert.rejects(source.download("n.safetensors"), (error: Error) => {
      assert.match(error.message, /n\.safetensors: HTTP 403 Forbidden \(tried 4 times\)$/);
      return !Deno.inspect(error).includes("signature");
    });
  });
});

Deno.test("a server that sends no more is given up", async () => {
  await withHub({ "m.safetensors": weights }, async (hub, open) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    hub.fault = (request, { at }) => at === "storage" ? hub.cut(request, "m.safetensors", 0, () => promise) : undefined;
    await using source = open({ stallTimeout: 40, retryDelays: [1] });
    await assert.rejects(source.download("m.safetensors"), /the server sends no more \(tried 2 times\)$/);
    resolve();
  });
});

Deno.test("slow bytes are waited for as long as they come", async () => {
  await withHub({ "m.safetensors": { bytes: makeBytes(20), lfs: true } }, async (hub, open) => {
    hub.fault = (_, { at }) => {
      if (at !== "storage") return undefined;
      let sent = 0;
      return new Response(
        new ReadableStream({
          pull: async (controller) => {
            await new Promise((resolve) => setTimeout(resolve, 10));
            controller.enqueue(makeBytes(20).slice(sent, ++sent));
            if (sent === 20) controller.close();
          },
        }),
      );
    };
    await using source = open({ stallTimeout: 150, retryDelays: [] }); // 20 × 10 ms, never 150 ms without a byte
    assert.equal((await source.download("m.safetensors")).came, 20);
  });
});

Deno.test("an answer of another commit than the one asked for is refused", async () => {
  await withHub({ "config.json": config, "m.safetensors": weights }, async (hub, open, home) => {
    hub.fault = (_, { path }) =>
      path.endsWith("m.safetensors")
        ? new Response(null, { headers: { "x-repo-commit": COMMIT_2, etag: `"${"0".repeat(40)}"` } })
        : undefined;
    await using source = open();
    assert.equal(await source.readText("config.json"), "{}");
    await assert.rejects(source.read("m.safetensors", 0, 1), /the answer is of the commit b{40}: is HF_ENDPOINT/);
    assert.deepEqual(Object.keys(await tree(home)).filter((name) => name.includes(COMMIT_2)), []);
  });
});

Deno.test("answers that are no hub's", async () => {
  for (
    const headers of [{}, { "x-repo-commit": "../../x", etag: '"a"' }, { "x-repo-commit": COMMIT }, {
      "x-repo-commit": COMMIT,
      etag: '"../../x"',
    }]
  ) {
    await withHub({}, async (hub, open, home) => {
      hub.fault = () => new Response("hello", { headers: headers as Record<string, string> });
      await using source = open();
      await assert.rejects(source.size("config.json"), /is HF_ENDPOINT the address of a hub\?$/);
      assert.deepEqual(await tree(home), {});
    });
  }
  await withHub({}, async (hub, open) => {
    hub.fault = () => Response.json({ sha: COMMIT, siblings: "none" });
    await using source = open();
    await assert.rejects(source.list(), /Cannot list owner\/name .*: the answer is not understood/);
  });
});

Deno.test("without a network the cache is used, and what it lacks is told", async () => {
  await withHub({ "config.json": config, "m.safetensors": weights }, async (hub, open) => {
    {
      await using nothing = open({ offline: true });
      await assert.rejects(
        nothing.readText("config.json"),
        /config\.json: it is not in the cache, and HF_HUB_OFFLINE is set/,
      );
      await assert.rejects(nothing.list(), /not in the cache, and HF_HUB_OFFLINE is set/);
      await using source = open();
      assert.equal(await source.size("index.json"), undefined);
      await source.readText("config.json");
    }
    hub.seen.length = 0;
    await using offline = open({ offline: true });
    assert.equal(await offline.readText("config.json"), "{}");
    assert.equal(offline.revision, COMMIT);
    assert.equal(await offline.size("index.json"), undefined);
    assert.deepEqual(await offline.list(), [{ path: "config.json", size: 2 }]);
    await assert.rejects(offline.readText("m.safetensors"), {
      name: "NotFound",
      message: "Cannot read hf:owner/name@main:m.safetensors: it is not in the cache, and HF_HUB_OFFLINE is set",
    });
    assert.equal(hub.seen.length, 0);
  });
});

Deno.test("a hub that cannot be reached: the cache's commit is good, after one try", async () => {
  const faults: Fault[] = [() => new Response(null, { status: 503 }), () => new Response(null, { status: 401 })];
  for (const fault of faults) {
    await withHub({ "config.json": config }, async (hub, open) => {
      {
        await using source = open();
        await source.readText("config.json");
      }
      hub.seen.length = 0;
      hub.fault = fault;
      await using source = open();
      assert.equal(await source.readText("config.json"), "{}");
      assert.equal(hub.seen.length, 1);
      assert.equal(source.revision, COMMIT);
      assert.equal(await source.size("index.json"), undefined);
      await assert.rejects(
        source.readText("index.json"),
        /it is not in the cache, and the hub cannot be asked \(.*(503|no such)/,
      );
      await using other = open({ repo: "owner/other" });
      await assert.rejects(other.readText("config.json"), /HTTP 503|no such repository/);
    });
  }
  // The hub says that it is gone: that is an answer.
  await withHub({ "config.json": config }, async (hub, open) => {
    {
      await using source = open();
      await source.readText("config.json");
    }
    hub.revisions = [];
    await using source = open();
    await assert.rejects(source.readText("config.json"), /has no revision "main"/);
  });
});
