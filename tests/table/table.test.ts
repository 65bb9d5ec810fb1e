import assert from "node:assert/strict";
import { CSV, toCsv } from "../../lib/table/csv.ts";
import { JSON_ARRAY, JSON_LINES, toJson, toJsonLines } from "../../lib/table/json.ts";
import { type Cell, formatNumber, type Table } from "../../lib/table/table.ts";
import { joinFiles, textChunks, textEncoder } from "../../lib/table/text_format.ts";

const table = (columns: string[], ...rows: Cell[][]): Table => ({ columns, rows });

Deno.test("formatNumber: integers as they are, others with 9 significant digits", () => {
  assert.equal(formatNumber(24_575), "24575");
  assert.equal(formatNumber(123_456_789_012_345), "123456789012345");
  assert.equal(formatNumber(0.1 + 0.2), "0.3");
  assert.equal(formatNumber(Math.fround(0.1)), "0.100000001");
  assert.equal(formatNumber(-1 / 3), "-0.333333333");
  assert.equal(formatNumber(1.5e-12), "1.5e-12");
  assert.equal(formatNumber(-0), "0");
  assert.equal(formatNumber(NaN), "");
  assert.equal(formatNumber(Infinity), "inf");
  assert.equal(formatNumber(-Infinity), "-inf");
});

Deno.test("formatNumber: every float32 survives", () => {
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  for (let i = 0, seed = 1; i < 20_000; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    bits[0] = seed;
    if (!Number.isFinite(float[0])) continue;
    assert.equal(Math.fround(Number(formatNumber(float[0]))), float[0]);
  }
});

Deno.test("toCsv: header, numbers, booleans and absent values", () => {
  assert.equal(
    toCsv(table(["token", "x", "flag"], ["a", 0.1 + 0.2, true], [null, NaN, false], ["b", -Infinity, null])),
    "token,x,flag\na,0.3,true\n,,false\nb,-inf,\n",
  );
  assert.equal(toCsv(table(["a", "b"])), "a,b\n");
});

Deno.test("toCsv: texts keep every character", () => {
  const cell = (text: string): string => toCsv(table(["t", "n"], [text, 1])).slice("t,n\n".length, -",1\n".length);
  assert.equal(cell("golf"), "golf");
  assert.equal(cell(" golf"), '" golf"');
  assert.equal(cell("golf "), '"golf "');
  assert.equal(cell('"'), '""""');
  assert.equal(cell('say "hi"'), '"say ""hi"""');
  assert.equal(cell(","), '","');
  assert.equal(cell("a\nb"), '"a\nb"');
  assert.equal(cell("a\rb"), '"a\rb"');
  assert.equal(cell("\r\n"), '"\r\n"');
  assert.equal(cell("\t"), '"\t"');
  assert.equal(cell(""), '""');
  assert.equal(cell("NA"), "NA");
  assert.equal(cell("=1+1"), "=1+1");
  assert.equal(cell("日本🐯\0"), "日本🐯\0");
  assert.equal(toCsv(table(['x "y"', "a,b"], [1, 2])), '"x ""y""","a,b"\n1,2\n');
});

Deno.test("toCsv: a single column has no blank lines", () => {
  assert.equal(toCsv(table(["t"], [""], [null], [NaN], ["a"])), 't\n""\n""\n""\na\n');
});

Deno.test("toJson: an array of records, one a line", () => {
  assert.equal(toJson(table(["a"])), "[]\n");
  assert.equal(
    toJson(table(["token", "x"], [' "golf"\n', 0.1 + 0.2], [null, NaN], ["\x1b\x9b", Infinity])),
    '[\n{"token":" \\"golf\\"\\n","x":0.3},\n{"token":null,"x":null},\n{"token":"\\u001b\\u009b","x":null}\n]\n',
  );
});

Deno.test("toJson: what it writes reads back, in the columns' order", () => {
  const rows: Cell[][] = [["\u2028\ud83d\udc2f\x7f", 1, true], ["\\", -2.5, null]];
  const columns = ["2", "1", "__proto__"];
  const parsed: object[] = JSON.parse(toJson(table(columns, ...rows)));
  assert.deepEqual(
    parsed.map((record) => columns.map((name) => Object.entries(record).find(([k]) => k === name)?.[1])),
    rows,
  );
  assert.match(toJson(table(columns, ...rows)), /\{"2":.*"1":.*"__proto__":/);
});

Deno.test("toJsonLines: one record a line", () => {
  assert.equal(toJsonLines(table(["a", "b"], [1, "x"], [2, null])), '{"a":1,"b":"x"}\n{"a":2,"b":null}\n');
  assert.equal(toJsonLines(table(["a"])), "");
});

Deno.test("chunks: a large table streams in pieces that join to the whole", () => {
  let made = 0;
  function* rows(): Generator<Cell[]> {
    for (made = 0; made < 20_000; made++) yield [made % 7, made, made / 3, " golf"];
  }
  const columns = ["position", "feature", "attribution", "token"];
  for (const format of [CSV, JSON_ARRAY, JSON_LINES]) {
    const chunks = textChunks(format, { columns, rows: rows() })[Symbol.iterator]();
    const first: string = chunks.next().value;
    assert.ok(made < 10_000, `${made} rows were made before the first chunk`);
    const all = [first];
    for (let next = chunks.next(); !next.done; next = chunks.next()) all.push(next.value);
    assert.ok(all.length > 5);
    assert.ok(all.every((chunk) => chunk.length < 100_000));
  }
  assert.equal([...textChunks(CSV, { columns, rows: rows() })].join(""), toCsv({ columns, rows: rows() }));
  assert.equal(toCsv({ columns, rows: rows() }).split("\n").length, 20_002);
  assert.equal(JSON.parse(toJson({ columns, rows: rows() })).length, 20_000);
});

Deno.test("writers: a table that does not fit together is refused", () => {
  for (const write of [toCsv, toJson, toJsonLines]) {
    assert.throws(() => write(table(["a", "b"], [1, 2], [3])), {
      name: "RangeError",
      message: "Cannot write the table: row 1 has 1 cells for 2 columns, give one each",
    });
    assert.throws(() => write(table(["a", "b", "a"])), { name: "RangeError", message: /column "a" is there twice/ });
  }
});

Deno.test("files of rows written apart, some empty, join to the file of all", async () => {
  const columns = ["token", "x"];
  const rows = Array.from({ length: 7 }, (_, i): Cell[] => [`ü${i}`, i / 3]);
  for (const format of [CSV, JSON_ARRAY, JSON_LINES]) {
    for (const sizes of [[], [0], [0, 0], [3, 0, 4], [0, 7], [1, 1, 5]]) {
      let at = 0;
      const files = sizes.map((size) => {
        const encoder = textEncoder(format, columns);
        const part = rows.slice(at, at += size);
        const bytes = [...part.flatMap((row) => encoder.rows([row])), ...encoder.end()];
        return new Uint8Array(bytes.flatMap((chunk) => [...chunk]));
      });
      const parts = (async function* () {
        yield* files;
      })();
      let text = "";
      for await (const bytes of joinFiles(format, columns, parts)) text += new TextDecoder().decode(bytes);
      assert.equal(text, [...textChunks(format, { columns, rows: rows.slice(0, at) })].join(""));
    }
  }
});
