/** One table in every format. */
import assert from "node:assert/strict";
import { compressors } from "../../lib/batch/input/parquet/decompress.ts";
import { readDestination } from "../../lib/cli/args/options.ts";
import { parse } from "../../lib/deps/csv_parse.ts";
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects } from "../../lib/deps/hyparquet.ts";
import { DATA_FORMATS, formatByEnding, tableWriter } from "../../lib/table/formats.ts";
import type { Cell, Table } from "../../lib/table/table.ts";
import { inDirectory, runCli } from "./run_cli.ts";

const PROMPT = " Tiger Woods plays the sport of";

function openBytes(bytes: Uint8Array<ArrayBuffer>): AsyncBuffer {
  return { byteLength: bytes.length, slice: (start, end) => bytes.slice(start, end).buffer };
}

async function readParquet(bytes: Uint8Array<ArrayBuffer>): Promise<Record<string, unknown>[]> {
  return await parquetReadObjects({ file: openBytes(bytes), compressors });
}

/** Texts are the same; of numbers, CSV has 9 digits and some columns of Parquet float32. */
function assertSameCell(got: unknown, want: string, what: string): void {
  if (typeof got !== "number") return assert.equal(String(got ?? ""), want, what);
  assert.ok(Math.abs(got - Number(want)) <= 2 ** -23 * Math.abs(Number(want)), `${what}: ${got} and ${want}`);
}

Deno.test("attribute writes Parquet with the cells of CSV, by name and by ending, each table", async () => {
  await inDirectory(async (directory) => {
    const cases = [
      ["--columns", "hook,kind,position,token,is_special,feature,activation,baseline,attribution,label"],
      ["--include-error", "--direct-effect"],
      ["--table", "positions"],
      ["--table", "features", "--top", "5"],
    ];
    for (const [i, more] of cases.entries()) {
      const args = ["attribute", PROMPT, "--pos-token", " golf", "--neg-token", " tennis", "--quiet", ...more];
      const file = `${directory}/${i}.parquet`;
      const [csv, parquet] = [await runCli([...args, "--format", "csv"]), await runCli([...args, "--output", file])];
      assert.deepEqual([csv.code, parquet.code, parquet.stdout], [0, 0, ""], csv.stderr + parquet.stderr);
      const want = parse(csv.stdout, { columns: true }) as unknown as Record<string, string>[];
      const got = await readParquet(await Deno.readFile(file));
      assert.ok(want.length > 0 && got.length === want.length);
      for (const [r, row] of got.entries()) {
        assert.deepEqual(Object.keys(row), Object.keys(want[r]));
        for (const [name, cell] of Object.entries(row)) assertSameCell(cell, want[r][name], `${name} of row ${r}`);
      }
    }
  });
});

Deno.test("ids, features and counts are integers in every command's Parquet, effects float32, also where all are empty", async () => {
  await inDirectory(async (directory) => {
    const file = `${directory}/table.parquet`;
    const changed = ["--set", "189@-1=0"];
    const cases: [string[], Record<string, string>][] = [
      [["generate", "--max-tokens", "2"], { position: "INT32", id: "INT32", log_probability: "FLOAT" }],
      [["predict", "--top", "2"], { id: "INT32", rank: "INT32" }],
      [["steer", ...changed], { id: "INT32", rank_before: "INT32", rank_after: "INT32" }],
      [["ablate", "--top", "2"], { position: "INT32", feature: "INT32", attribution: "FLOAT", effect: "FLOAT" }],
      [["evaluate", "--counts", "1"], { k: "INT32", nodes: "INT32", faithfulness: "FLOAT" }],
      [["interactions", "--top", "2", "--by", "feature-position"], {
        ...{ position_a: "INT32", feature_a: "INT32", position_b: "INT32", feature_b: "INT32" },
        ...{ effect_a: "FLOAT", effect_b: "FLOAT", joint: "FLOAT", interaction: "FLOAT" },
      }],
      [["interactions", "--top", "1", "--shapley"], { feature_a: "INT32", feature_b: "INT32", shapley: "FLOAT" }],
      [["attribute", "--generate", "1"], { target_position: "INT32", position: "INT32", feature: "INT32" }],
    ];
    for (const [[command, ...args], want] of cases) {
      const { code, stderr } = await runCli([command, PROMPT, ...args, "--output", file, "--threads", "1"]);
      assert.equal(code, 0, stderr);
      const { schema } = await parquetMetadataAsync(openBytes(await Deno.readFile(file)));
      const types = Object.fromEntries(schema.map(({ name, type }) => [name, type]));
      assert.deepEqual(Object.fromEntries(Object.keys(want).map((name) => [name, types[name]])), want, command);
    }
  });
});

Deno.test("Parquet goes into a pipe, and not onto a terminal", () => {
  assert.throws(
    () => readDestination({ format: "parquet", output: undefined }, true),
    /^UsageError: --format parquet is not for a terminal: give --output FILE/,
  );
  assert.equal(readDestination({ format: "parquet", output: undefined }, false).format, "parquet");
  assert.equal(readDestination({ format: undefined, output: "a.PARQUET" }, true).format, "parquet");
  for (const format of DATA_FORMATS) assert.equal(formatByEnding(`rows.${format}`), format);
});

/** A table in Parquet, and what its columns are. */
async function written(table: Table): Promise<{ rows: Record<string, unknown>[]; types: unknown[] }> {
  const write = await tableWriter("parquet");
  const bytes = new Uint8Array(await new Blob([...write(table)] as BlobPart[]).arrayBuffer());
  const { schema: [, ...columns] } = await parquetMetadataAsync(openBytes(bytes));
  return { rows: await readParquet(bytes), types: columns.map(({ type }) => type) };
}

Deno.test("columns that have no type of their own get that of their cells", async () => {
  const columns = ["feature", "probability", "is_answer", "published", "nothing"];
  const cells: Cell[][] = [[1, 0.1, true, " golf", null], [null, null, null, 2.5, null], [3, 2, false, true, null]];
  const { rows, types } = await written({ columns, rows: cells });
  assert.deepEqual(types, ["INT32", "DOUBLE", "BOOLEAN", "BYTE_ARRAY", "BYTE_ARRAY"]);
  assert.deepEqual(rows.map((row) => columns.map((name) => row[name])), [
    [1, 0.1, true, " golf", null],
    [null, null, null, "2.5", null],
    [3, 2, false, "true", null],
  ]);
  const empty = await written({ columns: ["feature", "token"], rows: [] });
  assert.deepEqual([empty.rows, empty.types], [[], ["INT32", "BYTE_ARRAY"]]);
  await assert.rejects(written({ columns: ["feature"], rows: [["a"]] }), /feature is a column of INT32 and has "a"/);
});

Deno.test("a table of more rows than a group holds comes back whole", async () => {
  const count = 150_000;
  const { rows } = await written({
    columns: ["feature", "x"],
    rows: (function* () {
      for (let i = 0; i < count; i++) yield [i, i / 7];
    })(),
  });
  assert.equal(rows.length, count);
  assert.ok(rows.every(({ feature, x }, i) => feature === i && x === i / 7));
});
