import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { cutToWidth, displayWidth, drawBar, printable } from "../../lib/table/terminal.ts";
import type { Cell, Table } from "../../lib/table/table.ts";
import { toText } from "../../lib/table/text.ts";

const table = (columns: string[], ...rows: Cell[][]): Table => ({ columns, rows });

Deno.test("printable: a text cannot steer the terminal", () => {
  assert.equal(printable("\x1b[31mred\x07\x9b2J"), "\\x1b[31mred\\x07\\x9b2J");
  assert.equal(printable("a\nb\r\tc"), "a\\nb\\r\\tc");
  assert.equal(printable("\u202eabc\u2066\u200b\ufeff\u2028"), "\\u{202e}abc\\u{2066}\\u{200b}\\u{feff}\\u{2028}");
  assert.equal(printable("\ud83d"), "\\u{d83d}");
  assert.equal(printable("a\u00a0b"), "a\\xa0b");
  assert.equal(printable("naïve 日本 🐯 �"), "naïve 日本 🐯 �");
});

Deno.test("printable: spaces at the ends show", () => {
  assert.equal(printable(" golf"), "·golf");
  assert.equal(printable("a b  "), "a b··");
  assert.equal(printable("  "), "··");
});

Deno.test("displayWidth and cutToWidth count terminal columns", () => {
  assert.equal(displayWidth("golf"), 4);
  assert.equal(displayWidth("日本"), 4);
  assert.equal(displayWidth("🐯"), 2);
  assert.equal(displayWidth("e\u0301"), 1);
  assert.equal(cutToWidth("golf", 4), "golf");
  assert.equal(cutToWidth("golfing", 5), "golf…");
  assert.equal(cutToWidth("日本語", 4), "日…");
  assert.equal(cutToWidth("golf", 1), "…");
  assert.equal(cutToWidth("golf", 0), "");
});

Deno.test("drawBar: negative to the left, positive to the right, in half steps", () => {
  const scale = { largest: 2, width: 9, signed: true };
  assert.equal(drawBar(2, scale), "    │████");
  assert.equal(drawBar(-2, scale), "████│    ");
  assert.equal(drawBar(0.75, scale), "    │█▌  ");
  assert.equal(drawBar(-0.75, scale), "  ▐█│    ");
  assert.equal(drawBar(1e-9, scale), "    │▌   ");
  assert.equal(drawBar(0, scale), "    │    ");
  assert.equal(drawBar(NaN, scale), "    │    ");
  assert.equal(drawBar(Infinity, scale), "    │████");
  assert.equal(drawBar(1, { largest: 1, width: 5, signed: false }), "│████");
  assert.equal(drawBar(0, { largest: 0, width: 5, signed: false }), "│    ");
});

Deno.test("toText: numbers to the right with the same decimals, texts to the left", () => {
  assert.equal(
    toText(table(["feature", "attribution", "token"], [7, 2.5, " golf"], [24575, -0.125, null], [1, NaN, "日本"])),
    [
      "feature  attribution  token",
      "      7       2.5000  ·golf",
      "  24575      -0.1250",
      "      1          nan  日本",
      "",
    ].join("\n"),
  );
  assert.equal(toText(table(["x"], [1e-7], [Infinity])), "        x\n1.0000e-7\n      inf\n");
  assert.equal(toText(table(["x"], [12_345.678])), "    x\n12346\n");
  assert.equal(toText(table(["x"], [0], [0.5])), "      x\n0.00000\n0.50000\n");
  assert.equal(toText(table(["x", "y"])), "x  y\n");
  assert.equal(toText(table(["mixed"], [1.5], ["a"], [true])), "mixed\n1.5\na\ntrue\n");
});

Deno.test("toText: a bar beside its column", () => {
  const rows: Cell[][] = [[1, 0.5, "a"], [2, -0.25, "b"], [3, null, "c"]];
  assert.equal(
    toText({ columns: ["f", "x", "t"], rows }, { bar: "x", width: 29 }),
    [
      "f         x                 t",
      "1   0.50000        │██████  a",
      "2  -0.25000     ███│        b",
      "3                  │        c",
      "",
    ].join("\n"),
  );
  assert.equal(toText(table(["x"], [1]), { bar: "x" }), `x\n1  │${"█".repeat(30)}\n`);
  assert.throws(() => toText(table(["x"]), { bar: "y" }), {
    name: "RangeError",
    message: 'Cannot draw the bar: there is no column "y", choose one of x',
  });
});

Deno.test("toText: no line is wider than the terminal, even a hostile one", () => {
  const hostile = table(
    ["position", "token", "attribution", "label"],
    [1, "\x1b]0;x\x07".repeat(50), 1.25, "日本語".repeat(100)],
    [2, "x".repeat(1_000_000), -3, "a\nb"],
  );
  for (const width of [80, 40, 20, 3, 1]) {
    for (const bar of [undefined, "attribution"]) {
      const lines = toText(hostile, { width, bar }).slice(0, -1).split("\n");
      assert.equal(lines.length, 3);
      for (const line of lines) assert.ok(displayWidth(line) <= width, `${displayWidth(line)} > ${width}: ${line}`);
      assert.doesNotMatch(lines.join(""), /\p{Cc}/u);
    }
  }
});

Deno.test("toText: colour only marks the header and the bars", () => {
  const source = table(["t", "x"], ["a", 1], ["b", -1]);
  const plain = toText(source, { bar: "x", width: 40 });
  const colored = toText(source, { bar: "x", width: 40, color: true });
  assert.ok(!plain.includes("\x1b"));
  assert.ok(colored.startsWith("\x1b[1mt"));
  assert.equal(colored.split("\x1b[36m").length, 2);
  assert.equal(colored.split("\x1b[31m").length, 2);
  assert.equal(stripVTControlCharacters(colored), plain);
});
