import assert from "node:assert/strict";
import { REQUEST_FIELDS } from "../../lib/request/fields.ts";
import { inWords, sayProperty } from "../../lib/request/request_error.ts";
import { PROMPT, runCli } from "./run_cli.ts";

Deno.test("a message of the library is said in the flags of the command line", async () => {
  const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [["attribute", PROMPT, "--metric", "kl"], /^error: --metric kl is .*--no-error-term\n$/],
    [["attribute", PROMPT, "--pos-token", " golfing"], / give --pos-id or --neg-id/],
    [["attribute", PROMPT, "--token-weight", " golfing=1"], / give --id-weight/],
    [["attribute", PROMPT, "--features", "99999"], /: the SAE has \d+, give --features from 0 to \d+\n$/],
    [["predict", PROMPT, "--answer", " golfing"], / give --answer-id/],
    [["predict", PROMPT.repeat(100)], /, or cut it on the right \(--truncate\)\n$/],
    [["predict", PROMPT, "--revision", "main"], /leave out --revision\n$/],
  ];
  for (const [args, message] of cases) {
    const { code, stderr } = await runCli(args);
    assert.ok(code === 1 || code === 2, stderr);
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /`/);
  }
});

Deno.test("a message of the library is said in the properties of JSON", () => {
  const said = (message: string): string => inWords(message, REQUEST_FIELDS, sayProperty);
  assert.equal(said("leave it out (`includeErrorTerm: false`)"), 'leave it out ("error_term": false)');
  assert.equal(said('(`processing: "none"`), `rows(hook)`'), '("processing": "none"), `rows(hook)`');
});

Deno.test("no message below the command line names a flag of it", async () => {
  // Front ends, what writes command lines, and style sheets' properties.
  const front = /^(cli|web|deploy|site\/build|report\/client)\/|^request\/command\.ts$/;
  const found: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(new URL(`../../lib/${folder}`, import.meta.url))) {
      const path = `${folder}${name}`;
      if (isDirectory) await visit(`${path}/`);
      if (!path.endsWith(".ts") || front.test(path)) continue;
      const lines = (await Deno.readTextFile(new URL(`../../lib/${path}`, import.meta.url))).split("\n");
      const code = lines.filter((line) => !/^\s*(\/?\*|\/\/)/.test(line));
      const flags = code.filter((line) => /["'`(, ]--(?!allow-|deny-|no-config|no-lock|no-\$)[a-z]/.test(line));
      found.push(...flags.map((line) => `${path}: ${line.trim()}`));
    }
  };
  await visit("");
  assert.deepEqual(found.filter((line) => !line.includes('commandLine(["report"')), []);
});
