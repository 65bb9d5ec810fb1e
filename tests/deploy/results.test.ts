/** Where a scheduled run's results are kept. */
import assert from "node:assert/strict";
import { directoryResults, type Kv, kvResults, MOST_CHUNK_BYTES, type ScheduledRun } from "../../lib/deploy/results.ts";
import { answer } from "../../lib/deploy/serve.ts";
import { inDirectory } from "../cli/run_cli.ts";
import { fakeKv, madeUpRun } from "./runs.ts";

/** More than one chunk, and more chunks than one `getMany` takes. */
function largeRun(day: number): ScheduledRun {
  const rows = Array.from({ length: 30_000 }, (_, i) => ["☃ prompt", "h", day, i, i / 7]);
  return madeUpRun(`2026-01-${String(day).padStart(2, "0")}T00:00:00.000Z`, rows);
}

Deno.test("Deno KV: chunks within its limit, the latest whole, the oldest removed", async () => {
  const kv = fakeKv();
  const results = kvResults(kv, "a");
  assert.equal(await results.latest(), undefined);
  await results.add(largeRun(1));
  assert.ok(kv.values.size > 12);
  assert.deepEqual(await results.latest(), largeRun(1));
  const before = kv.values.size;
  for (let day = 2; day <= 12; day++) await results.add(madeUpRun(largeRun(day).started, []));
  assert.ok(kv.values.size < before, "the chunks of the first run are gone");
  assert.equal(kv.values.size, 11);
  assert.equal((await results.latest())?.started, "2026-01-12T00:00:00.000Z");
  assert.equal(await kvResults(kv, "b").latest(), undefined);
  // Interrupted before its index was written: the run before is still the latest.
  const failing: Kv = {
    ...kv,
    set: (key, value) => key.at(-1) === "index" ? Promise.reject(new Error("no")) : kv.set(key, value),
  };
  await assert.rejects(kvResults(failing, "a").add(largeRun(13)));
  assert.equal((await results.latest())?.started, "2026-01-12T00:00:00.000Z");
  assert.ok(MOST_CHUNK_BYTES < 64 * 1024);
});

Deno.test("Deno's own KV takes it", async () => {
  const module = new URL("../../lib/deploy/results.ts", import.meta.url).href;
  const run = JSON.stringify(largeRun(1));
  const script = `import { kvResults } from ${JSON.stringify(module)};
    const kv = await Deno.openKv(":memory:");
    const run = JSON.parse(await new Response(Deno.stdin.readable).text());
    await kvResults(kv, "a").add(run);
    console.log(JSON.stringify(await kvResults(kv, "a").latest()));
    kv.close();`;
  const url = `data:application/typescript,${encodeURIComponent(script)}`;
  const args = ["run", "-A", "--unstable-kv", "--no-check", url];
  const child = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
  const output = child.output();
  await new Blob([run]).stream().pipeTo(child.stdin);
  assert.equal(new TextDecoder().decode((await output).stdout), `${run}\n`);
});

/** Damaged in the ways of disks and hands. */
const DAMAGED = ["", "{", "null", "[]", '"run"', "{}", '{"schema_version":1}'];

/** A run whose texts are damaged, too. */
function damagedRuns(): string[] {
  const run = madeUpRun("2026-01-03T00:00:00.000Z", [["a", "h", 0, 1, 3]]);
  const text = JSON.stringify(run);
  const changed = [
    { started: "yesterday" },
    { rows: [[1]] },
    { rows: {} },
    { prompts: [null] },
    { columns: null },
    { drift: 1 },
    { model: [] },
  ];
  return [...DAMAGED, text.slice(0, -20), ...changed.map((change) => JSON.stringify({ ...run, ...change }))];
}

Deno.test("a damaged result is left out: the run before it is the latest, and later runs are kept", async () => {
  const good = madeUpRun("2026-01-02T00:00:00.000Z", []);
  const next = madeUpRun("2026-01-04T00:00:00.000Z", []);
  for (const text of damagedRuns()) {
    const warned: string[] = [];
    const warn = (what: string): unknown => warned.push(what);
    await inDirectory(async (directory) => {
      const results = directoryResults(directory, warn);
      await results.add(good);
      await Deno.writeTextFile(`${directory}/run-000002-2026-01-03T00-00-00.000Z.json`, text);
      await Deno.mkdir(`${directory}/run-000003-2026-01-03T00-00-00.000Z.json`);
      assert.deepEqual(await results.latest(), good, text);
      const names = ["run-000003", "run-000002"].map((name) => `${name}-2026-01-03T00-00-00.000Z.json of the results`);
      assert.deepEqual(warned.splice(0), names);
      assert.equal((await answer(new Request("http://x/latest.json"), results)).status, 200);
      await results.add(next);
      assert.deepEqual(await results.latest(), next, text);
    });
    const kv = fakeKv();
    const results = kvResults(kv, "a", warn);
    await results.add(good);
    await results.add(madeUpRun("2026-01-03T00:00:00.000Z", []));
    const [{ id }] = (kv.values.get('["sae-attribution","a","index"]') as { runs: { id: string }[] }).runs;
    kv.values.set(JSON.stringify(["sae-attribution", "a", "run", id, 0]), new TextEncoder().encode(text));
    assert.deepEqual(await results.latest(), good, text);
    kv.values.delete(JSON.stringify(["sae-attribution", "a", "run", id, 0]));
    assert.deepEqual(await results.latest(), good);
    await results.add(next);
    assert.deepEqual(await results.latest(), next);
  }
  for (const index of [1, {}, { runs: 1 }, { runs: [null] }, { runs: [{ id: "a", chunks: 1e12 }] }]) {
    const kv = fakeKv();
    kv.values.set('["sae-attribution","a","index"]', index);
    const warned: string[] = [];
    const results = kvResults(kv, "a", (what) => warned.push(what));
    assert.equal(await results.latest(), undefined);
    assert.deepEqual(warned, ['["sae-attribution","a","index"]']);
    await results.add(next);
    assert.deepEqual(await results.latest(), next);
  }
});

Deno.test("the latest run is the one that was added last, whatever the clock said", async () => {
  await inDirectory(async (directory) => {
    // As files were called before they had numbers.
    await Deno.writeTextFile(
      `${directory}/run-2098-01-01T00-00-00.000Z.json`,
      JSON.stringify(madeUpRun("2098-01-01T00:00:00.000Z", [])),
    );
    for (const results of [directoryResults(directory), kvResults(fakeKv(), "a")]) {
      for (const started of ["2026-01-01", "2099-01-01", "2026-01-02", "1970-01-01"]) {
        await results.add(madeUpRun(`${started}T00:00:00.000Z`, []));
        assert.equal((await results.latest())?.started, `${started}T00:00:00.000Z`);
      }
    }
  });
});
