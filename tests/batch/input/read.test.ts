/** Prompts from files, whole and hostile. */
import assert from "node:assert/strict";
import { type Line, MOST_LINE_BYTES, readLines } from "../../../lib/batch/input/lines.ts";
import type { InputFormat } from "../../../lib/batch/input/formats.ts";
import { readRecords } from "../../../lib/batch/input/read.ts";
import { type InputRecord, toRecord } from "../../../lib/batch/input/record.ts";
import { fromFileUrl } from "../../../lib/weights/files/places.ts";
import { inDirectory } from "../../cli/run_cli.ts";

const encoder = new TextEncoder();

/** What a file with this content is read as. */
async function read(format: InputFormat, content: string | Uint8Array): Promise<InputRecord[]> {
  let records: InputRecord[] = [];
  await inDirectory(async (directory) => {
    const path = `${directory}/prompts`;
    await Deno.writeFile(path, typeof content === "string" ? encoder.encode(content) : content);
    records = await Array.fromAsync(readRecords({ path, format }));
  });
  return records;
}

function linesOf(text: string, chunk: number): Promise<Line[]> {
  const bytes = encoder.encode(text);
  const chunks = Array.from(
    { length: Math.ceil(bytes.length / chunk) },
    (_, i) => bytes.slice(i * chunk, (i + 1) * chunk),
  );
  return Array.fromAsync(readLines(chunks));
}

Deno.test("lines do not depend on how the bytes arrive", async () => {
  const text = "\ufeffa☃\r\n\n\ufeffb\nlast";
  const want = ["a☃\r", "", "\ufeffb", "last"].map((text, i) => ({ number: i + 1, text }));
  for (const chunk of [1, 2, 3, 5, 100]) assert.deepEqual(await linesOf(text, chunk), want);
  assert.deepEqual(await linesOf("", 1), []);
});

Deno.test("a line that is too long is passed over, one that is not UTF-8 is named", async () => {
  const long = "x".repeat(MOST_LINE_BYTES + 1);
  const [first, second] = await linesOf(`${long}\nok\n`, 2 ** 16);
  assert.match(first.problem!, /^The line has 4194305 bytes: give at most 4194304$/);
  assert.deepEqual(second, { number: 2, text: "ok" });
  const [bad, good] = await Array.fromAsync(readLines([new Uint8Array([0xff, 10, 0x61])]));
  assert.match(bad.problem!, /no text in UTF-8/);
  assert.deepEqual(good, { number: 2, text: "a" });
});

Deno.test("CSV: quotes, line ends, spaces, columns of no interest", async () => {
  const content = '\ufeffid,prompt,pos_token,neg_token,extra\r\n1," a, ""b""", golf,,x\r\n\r\n,"two\nlines",,,=1+1\r\n';
  assert.deepEqual(await read("csv", content), [
    { line: 2, id: "1", prompt: ' a, "b"', positive: [" golf"] },
    { line: 4, id: "2", prompt: "two\nlines" },
  ]);
  assert.deepEqual(await read("csv", 'ids,pos_id,neg_id\n"[1, 2]",3,\n1 2,,"4,5"\n'), [
    { line: 2, id: "1", prompt: [1, 2], positive: [3] },
    { line: 3, id: "2", prompt: [1, 2], negative: [4, 5] },
  ]);
});

Deno.test("CSV: a broken line costs that line only", async () => {
  const content = 'prompt,id\n a,1\n"b"x,2\n"c,3\n d,4\n e\n f,6,7\n g"h,8\n i,9\n"j';
  const records = await read("csv", content);
  const problem = (r: InputRecord): string => "error" in r ? r.error.split(":")[0] : `${r.id} ${r.prompt}`;
  assert.deepEqual(records.map((r) => [r.line, problem(r)]), [
    [2, "1  a"],
    [3, "The quotes are wrong"],
    [4, "The quotes are wrong"],
    [5, "4  d"],
    [6, "The record has 1 cells and the header 2"],
    [7, "The record has 3 cells and the header 2"],
    [8, "The quotes are wrong"],
    [9, "9  i"],
    [10, "The quotes are wrong"],
  ]);
});

Deno.test("CSV: what looks like a formula is data", async () => {
  const formulas = ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)"];
  const records = await read("csv", `id,prompt\n${formulas.map((text) => `${text},${text}\n`).join("")}`);
  assert.deepEqual(records, formulas.map((text, i) => ({ line: i + 2, id: text, prompt: text })));
});

Deno.test("JSON lines: a broken line costs that line only", async () => {
  const lines = [
    '{"prompt": " a", "pos_token": [" b", " c"], "neg_id": 5, "id": 12}',
    "",
    '{"prompt": " a"',
    "[1]",
    '{"ids": [1, 2]}',
    '{"ids": [1, -2]}',
    '{"prompt": 5}',
    '{"prompt": "", "ids": [1]}',
    "{}",
    '{"prompt": "", "pos_token": 5}',
    '{"prompt": "x", "__proto__": {"ids": [1]}, "id": {"a": 1}}',
  ];
  assert.deepEqual(await read("jsonl", lines.join("\r\n")), [
    { line: 1, id: "12", prompt: " a", positive: [" b", " c"], negative: [5] },
    { line: 3, id: "2", error: "The line is no JSON object" },
    { line: 4, id: "3", error: "The line is no JSON object" },
    { line: 5, id: "4", prompt: [1, 2] },
    { line: 6, id: "5", error: "ids is [1,-2]: give token ids, as in [1, 2, 3]" },
    { line: 7, id: "6", error: "prompt is 5: give a text" },
    { line: 8, id: "7", error: "There are both prompt and ids: give one of them" },
    { line: 9, id: "8", error: "There is neither prompt nor ids: give one of them" },
    { line: 10, id: "9", error: "pos_token is 5: give a text, or a number as pos_id" },
    { line: 11, id: "10", error: 'id is {"a":1}: give a text or a number' },
  ]);
});

/** UTF-16 with its mark, as Excel's "Unicode text" is. */
function utf16(text: string, isLittle: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * text.length + 2));
  `\ufeff${text}`.split("").forEach((unit, i) => view.setUint16(2 * i, unit.charCodeAt(0), isLittle));
  return new Uint8Array(view.buffer);
}

Deno.test("tables as Excel and pandas write them", async () => {
  const want = [
    { line: 2, id: "1", prompt: " golf, “the” ☃𝄞 sport", positive: [" golf"], negative: [" tennis"] },
    { line: 3, id: "2", prompt: " a;b", positive: [" x"] },
  ];
  const table = [
    ["prompt", "pos_token", "neg_token"],
    [" golf, “the” ☃𝄞 sport", " golf", " tennis"],
    [" a;b", " x", ""],
  ];
  const write = (delimiter: string, end = "\n", [header, ...rows] = table): string =>
    [header, ...rows].map((cells) =>
      cells.map((cell) => cell.includes(delimiter) || delimiter === ";" ? `"${cell}"` : cell).join(delimiter) + end
    ).join("");
  const capitals = [["Prompt", "Pos_Token", "Neg Token"], ...table.slice(1)];
  const later = want.map((record) => ({ ...record, line: record.line + 1 }));
  const cases: [name: string, InputFormat, string | Uint8Array, unknown][] = [
    ["commas", "csv", write(","), want],
    ["semicolons", "csv", write(";"), want],
    ["tabs", "csv", write("\t"), want],
    ["tsv", "tsv", write("\t"), want],
    ["bars", "csv", write("|"), want],
    ["capitals", "csv", write(",", "\n", capitals), want],
    ["CR", "csv", write(",", "\r"), want],
    ["CR LF", "csv", write(";", "\r\n"), want],
    ["sep=", "csv", `\ufeffsep=;\r\n${write(";", "\r\n")}`, later],
    ["quoted sep=", "csv", `"sep=^"\n${write("^")}`, later],
    ["UTF-16, little", "csv", utf16(write("\t", "\r\n"), true), want],
    ["UTF-16, big", "tsv", utf16(write("\t"), false), want],
  ];
  for (const [name, format, content, expected] of cases) assert.deepEqual(await read(format, content), expected, name);
  assert.deepEqual(await read("jsonl", utf16('{"Prompt": " a", "ID": 7}\r\n', true)), [
    { line: 1, id: "7", prompt: " a" },
  ]);
  // Whole numbers of a column with empty cells, which is one of floats to pandas.
  assert.deepEqual(await read("csv", "prompt,pos_id\n a,1656.0\n b,\n"), [
    { line: 2, id: "1", prompt: " a", positive: [1656] },
    { line: 3, id: "2", prompt: " b" },
  ]);
  // The very name goes before one that is only like it.
  assert.deepEqual(await read("csv", "Prompt,prompt\nx, a\n"), [{ line: 2, id: "1", prompt: " a" }]);
});

Deno.test("tables that can be read in two ways, or in none, are refused by what was found", async () => {
  const cases: [InputFormat, string | Uint8Array, RegExp][] = [
    ["csv", "prompt,id;prompt\n", /its header can be split at commas and at semicolons: say which .* sep=,$/],
    ["csv", "PROMPT,Prompt\n a,b\n", /its header names prompt twice \(PROMPT and Prompt\)$/],
    ["csv", new Uint8Array([0xff, 0xfe, 0, 0, 1, 0, 0, 0]), /it is UTF-32: save it as UTF-8$/],
    ["txt", new Uint8Array([0x61, 0, 0x62, 0]), /it is UTF-16 without a byte order mark, or no text: save it/],
    ["csv", new Uint8Array([0xff, 0xfe, 0, 0xd8, 0x61, 0]), /its UTF-16 is broken: save it as UTF-8$/],
    ["txt", " a\r".repeat(40_000) + " b\n", /its lines end with CR alone at first and with LF later: write them/],
  ];
  for (const [format, content, pattern] of cases) {
    await assert.rejects(read(format, content), (e: Error) => e instanceof SyntaxError && pattern.test(e.message));
  }
  const [cells] = await read("csv", "prompt;id\n a;b;1\n") as { error: string }[];
  assert.equal(cells.error, "The record has 3 cells and the header 2: quote what contains semicolons");
  const [twice] = await read("jsonl", '{"PROMPT": "a", "Prompt": "b"}\n') as { error: string }[];
  assert.equal(twice.error, "The line names prompt twice (PROMPT and Prompt)");
});

Deno.test("a prompt of 10 MB is an error of its line, however it comes", async () => {
  const long = "x ".repeat(5 * 2 ** 20);
  const inOneLine = await read("jsonl", `{"prompt": "${long}"}\n{"prompt": " a"}\n`);
  assert.match((inOneLine[0] as { error: string }).error, /^The line has 10485774 bytes/);
  assert.deepEqual(inOneLine[1], { line: 2, id: "2", prompt: " a" });
  const { error } = toRecord({ prompt: long }, 1, 1) as { error: string };
  assert.equal(error, "prompt has 10485760 characters: give at most 1048576");
});

Deno.test("text: a prompt on each line, as it stands", async () => {
  assert.deepEqual(await read("txt", " a,b \r\n\n[1]\n"), [
    { line: 1, id: "1", prompt: " a,b " },
    { line: 3, id: "2", prompt: "[1]" },
  ]);
});

Deno.test("Parquet as pandas writes it, with Zstandard and several row groups", async () => {
  const path = fromFileUrl(new URL("../../data/batch/prompts.parquet", import.meta.url));
  assert.deepEqual(await Array.fromAsync(readRecords({ path, format: "parquet" })), [
    { line: 1, id: "7", prompt: " Tiger Woods plays the sport of", positive: [" golf"], negative: [" tennis"] },
    { line: 2, id: "8", prompt: [0, 417, 99] },
    { line: 3, id: "9", prompt: "naïve ☃" },
    { line: 4, id: "10", error: "There is neither prompt nor ids: give one of them" },
  ]);
});

Deno.test("what cannot be read at all", async () => {
  await assert.rejects(
    read("csv", "text,id\na,1\n"),
    /Cannot read prompts from .*: its header has no column prompt or ids/,
  );
  await assert.rejects(read("csv", "prompt,prompt\na,1\n"), /its header names prompt twice/);
  await assert.rejects(read("parquet", "PAR1 no"), SyntaxError);
  const missing = Array.fromAsync(readRecords({ path: "no/such", format: "csv" }));
  await assert.rejects(
    missing,
    (e: Error) => e instanceof Deno.errors.NotFound && /there is no such file/.test(e.message),
  );
  const directory = Array.fromAsync(readRecords({ path: ".", format: "parquet" }));
  await assert.rejects(directory, (e: Error) => e instanceof Deno.errors.IsADirectory);
});
