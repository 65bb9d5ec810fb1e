import assert from "node:assert/strict";
import { messageLine, withoutSecrets } from "../../../lib/quote.ts";
import { openHttpSource } from "../../../lib/weights/http/http.ts";
import { readToken } from "../../../lib/weights/hub/settings.ts";
import { shownName } from "../../../lib/weights/files/places.ts";
import { openSource } from "../../../lib/weights/files/source.ts";
import { withServer } from "../fixtures.ts";

Deno.test("an address is shown as origin and path, another name as it is", () => {
  const shown: Record<string, string> = {
    "https://me:s3cret@example.com/m?sig=s3cret#s3cret": "https://example.com/m",
    "https://s3cret@example.com:8443/a/b": "https://example.com:8443/a/b",
    "http://example.com/m?token=s3cret@blocks.3.hook": "http://example.com/m",
    "HTTPS://me:s3cret@example.com/m": "https://example.com/m",
    "https:me:s3cret@example.com/m": "https://example.com/m",
    "https:\\\\me:s3cret@example.com\\m": "https://example.com/m",
    "http://me:s3/cret@example.com/m?a": "http://…",
    "http://me:s3cret@[bad/m": "http://…",
    "ftp://me:s3cret@example.com/m?a=s3cret": "ftp://example.com/m",
    "redis://:s3cret@queue:6379/0": "redis://queue:6379/0",
    "http://example.com/a%20b/": "http://example.com/a%20b/",
    "hf:owner/name@main:a/b": "hf:owner/name@main:a/b",
    "np:gpt2-small/10-res-jb": "np:gpt2-small/10-res-jb",
    "C:\\models\\a@b": "C:\\models\\a@b",
    "./what?/a@b#c": "./what?/a@b#c",
  };
  for (const [name, text] of Object.entries(shown)) assert.equal(shownName(name), text);
});

Deno.test("a message that is not ours loses what is secret in its addresses, and keeps its words", () => {
  const shown: Record<string, string> = {
    "no answer from http://me:s3cret@localhost/a?sig=s3cret (tried twice)":
      "no answer from http://localhost/a (tried twice)",
    'error for "https://a.example/x?s3cret": refused': 'error for "https://a.example/x": refused',
    "see https://a.example/x?s3cret, or b@c": "see https://a.example/x, or b@c",
    "(redis://:s3cret@queue:6379): no": "(redis://queue:6379): no",
    "hf:owner/name@main is not there": "hf:owner/name@main is not there",
    "at file:///srv/a.ts:3:4": "at file:///srv/a.ts:3:4",
  };
  for (const [text, rest] of Object.entries(shown)) {
    assert.equal(withoutSecrets(text), rest);
    assert.equal(messageLine(new Error(text)), rest);
  }
});

Deno.test("addresses that cannot be opened are refused without their secrets", () => {
  for (
    const text of ["http://me:s3cret@/x y", "http://me:s3cret@host:99999/x?s3cret", "ftp://me:s3cret@host/x?s3cret"]
  ) {
    assert.throws(() => openSource(text), (error: Error) => {
      assert.match(error.message, /^Cannot open (http|ftp):\/\//);
      return !Deno.inspect(error).includes("s3cret");
    });
  }
});

Deno.test("credentials of any form are sent as they were typed", async () => {
  const seen: string[] = [];
  const answer = ({ headers }: Request): Response => {
    const [, text] = /^Basic (.*)$/.exec(headers.get("authorization")!)!;
    seen.push(new TextDecoder().decode(Uint8Array.from(atob(text), (c) => c.charCodeAt(0))));
    return new Response("a");
  };
  await withServer(answer, async (base) => {
    for (const typed of ["me:p%40ss", "me:100%", "mé:pä☃", "me"]) {
      await using source = openHttpSource(base.replace("//", `//${typed}@`));
      await source.readText("a");
    }
  });
  assert.deepEqual(seen, ["me:p@ss", "me:100%", "mé:pä☃", "me:"]);
});

Deno.test("a header that cannot be sent is refused at once, without its value", () => {
  const bad: Record<string, string>[] = [{ authorization: "s3cret\nb" }, { "a b": "s3cret" }, {
    authorization: "☃s3cret",
  }];
  for (const headers of bad) {
    assert.throws(() => openHttpSource("http://localhost/", { headers }), (error: Error) => {
      assert.match(error.message, /^A header cannot be sent: /);
      return !Deno.inspect(error).includes("s3cret");
    });
  }
});

Deno.test("credentials do not follow a redirect to another origin", async () => {
  const seen: (string | null)[] = [];
  const other = ({ headers, url }: Request): Response => {
    seen.push(headers.get("authorization"), new URL(url).search);
    return new Response("a");
  };
  await withServer(other, async (elsewhere) => {
    await withServer(() => Response.redirect(`${elsewhere}/a`), async (base) => {
      await using source = openHttpSource(`${base.replace("//", "//me:s3cret@")}/dir?sig=s3cret`);
      assert.equal(await source.readText("a"), "a");
    });
  });
  assert.deepEqual(seen, [null, ""]);
});

Deno.test("a token that cannot be one is named at once, and not shown", async () => {
  const bad: [string, RegExp][] = [
    ["hf_a b", /^HF_TOKEN is no token: character 5 of 6 is a space; copy it again/],
    ["hf_é", /^HF_TOKEN is no token: character 4 of 4 is not ASCII/],
    ["“hf_a”", /^HF_TOKEN is no token: character 1 of 6 is not ASCII/],
  ];
  for (const [token, message] of bad) {
    await assert.rejects(readToken({ token, tokenFile: undefined }), { name: "RangeError", message });
  }
  const file = await Deno.makeTempFile();
  await Deno.writeTextFile(file, "hf_a\tb\n");
  await assert.rejects(readToken({ token: undefined, tokenFile: file }), (error: Error) => {
    return error.message.startsWith(`${file} is no token: character 5 of 6 is a space`);
  });
  await Deno.writeTextFile(file, " hf_ab\r\n");
  assert.equal(await readToken({ token: undefined, tokenFile: file }), "hf_ab");
  await Deno.remove(file);
});
