/** Parquet as pyarrow writes it, whole, damaged, and made to fill the memory. */
import assert from "node:assert/strict";
import { decompress } from "../../../lib/batch/input/parquet/decompress.ts";
import { readRecords } from "../../../lib/batch/input/read.ts";
import { readTable } from "../../../lib/batch/input/read_parquet.ts";
import { type Fields, toRecord } from "../../../lib/batch/input/record.ts";
import { fromFileUrl } from "../../../lib/weights/files/places.ts";

const DATA = new URL("../../data/batch/", import.meta.url);
/** Rows as pyarrow has them, by file. */
const CASES = JSON.parse(Deno.readTextFileSync(new URL("parquet/cases.json", DATA))) as Record<string, Fields[]>;

const pathOf = (file: string): string => fromFileUrl(new URL(file, DATA));
const read = (file: string) => Array.fromAsync(readRecords({ path: pathOf(file), format: "parquet" }));

for (const [name, rows] of Object.entries(CASES)) {
  Deno.test(`Parquet: ${name}, as pyarrow reads it`, async () => {
    assert.deepEqual(await read(`parquet/${name}.parquet`), rows.map((row, i) => toRecord(row, i + 1, i + 1)));
    const columns = Object.keys(rows[0]).filter((name) => name === "note" || name === "flag");
    const bytes = await Deno.readFile(pathOf(`parquet/${name}.parquet`));
    const cells = (await Array.fromAsync(readTable(bytes, columns))).flat();
    assert.deepEqual(cells, rows.map((row) => columns.map((column) => (row as Record<string, unknown>)[column])));
  });
}

Deno.test("Parquet: damaged files and bombs end in one line that says where", async () => {
  const refused = async (file: string, why: RegExp): Promise<void> => {
    await assert.rejects(read(`damaged/${file}`), (error) => {
      assert.ok(error instanceof SyntaxError);
      assert.match(error.message.replace(pathOf(`damaged/${file}`), "FILE"), why);
      return true;
    });
  };
  await refused(
    "hang.parquet",
    /^Cannot read prompts from FILE: row group 1: it is damaged: its number of bytes of levels is undefined$/,
  );
  await refused("lie_rows.parquet", /^Cannot read prompts from FILE: it says 2147483647 rows of row group 1, at most /);
  await refused(
    "bomb.parquet",
    /^Cannot read prompts from FILE: row group 1: its text in one row group has more than /,
  );
});

Deno.test("Parquet: pages are decompressed to their size and no further", () => {
  const text = new TextEncoder().encode("golf golf golf");
  const lz4 = new Uint8Array([0x51, ...text.subarray(0, 5), 5, 0, 0x40, ...text.subarray(10)]);
  const snappy = new Uint8Array([14, 4 << 2, ...text.subarray(0, 5), (9 - 1) << 2 | 2, 5, 0]);
  const hadoop = new Uint8Array([0, 0, 0, 14, 0, 0, 0, lz4.length, ...lz4]);
  for (const [codec, bytes] of [["LZ4_RAW", lz4], ["LZ4", lz4], ["LZ4", hadoop], ["SNAPPY", snappy]] as const) {
    assert.deepEqual(decompress(codec, bytes, 14), text, codec);
    assert.throws(() => decompress(codec, bytes, 13), { name: "SyntaxError", message: /^it is damaged/ });
    assert.throws(() => decompress(codec, bytes, 15), { name: "SyntaxError", message: /^it is damaged/ });
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(
        () => decompress(codec, bytes.subarray(0, length), 14),
        { name: "SyntaxError" },
        `${codec} ${length}`,
      );
    }
  }
  assert.throws(() => decompress("LZO", text, 14), {
    name: "RangeError",
    message: /its compression LZO is not supported/,
  });
});
