/** What messages repeat from outside. */
import assert from "node:assert/strict";
import { excerpt, messageLine, quote } from "../lib/quote.ts";
import { parseJson, parseJsonObject, parseUniqueObject } from "../lib/weights/json/json.ts";

/** Texts of every kind that a message may be given: long, of several lines, escaping, invisible, half a character. */
const HOSTILE = [
  "x".repeat(300_000),
  "\n".repeat(1000),
  "\x00\x1b[2J\x7f\x9b".repeat(1000),
  "\u202e\u2028\u2029\ufeff".repeat(1000),
  "\ud800".repeat(1000),
  "𐀀".repeat(1000),
  '"\\'.repeat(1000),
  "a-".repeat(100_000),
  " ".repeat(100_000) + "x",
];

Deno.test("a quoted text is one short line, whatever is in it", () => {
  for (const text of HOSTILE) {
    for (const shown of [quote(text), excerpt(text), quote([text]), quote({ [text]: [text] })]) {
      assert.ok(shown.length <= 90, `${shown.length} characters`);
      assert.match(shown, /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*…/u);
    }
    assert.ok(messageLine(new Error(text)).length <= 603);
    assert.doesNotMatch(messageLine(text), /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
  }
});

Deno.test("what is short is repeated as it is", () => {
  assert.equal(quote(' "a"\\'), '" \\"a\\"\\\\"');
  const values = [NaN, 5n, null, undefined, [1, "a\n"], { a: 2n }];
  assert.deepEqual(values.map(quote), ["NaN", "5", "null", "undefined", '[1,"a\\n"]', '{"a":2}']);
  assert.equal(messageLine(new TypeError("one\n   two\t")), "one two");
  assert.equal(messageLine(new TypeError()), "TypeError");
});

Deno.test("JSON is refused before it is parsed where it is deep or has too many values, in one line", () => {
  const refused = (text: string, why: RegExp): void => {
    assert.throws(() => parseJson(text, "a.json"), (error) => {
      assert.ok(error instanceof SyntaxError && error.message.length < 200 && !error.message.includes("\n"));
      return why.test(error.message);
    });
  };
  refused("[".repeat(101) + "]".repeat(101), /nested more than 100 deep/);
  refused('{"a":'.repeat(1_000_000), /nested more than 100 deep/);
  refused(`[${"{},".repeat(2_100_000)}{}]`, /more than 4000000 values/);
  refused(`{"a\n\n${"b".repeat(10_000)}`, /^Cannot read a\.json: it is not JSON \(/);
  refused("", /it is not JSON/);
  assert.ok(Array.isArray(parseJson("[".repeat(100) + "]".repeat(100), "a")));
  assert.deepEqual(parseJson('{"[[[,,,":"]]\\"{{"}', "a"), { "[[[,,,": ']]"{{' });
});

Deno.test("a key that is given twice, and Python's numbers that are none", () => {
  assert.deepEqual(parseJsonObject('{"a":1,"a":2}', "a"), { a: 2 });
  assert.throws(() => parseUniqueObject('{"a":1,"a":2}', "a"), /a key is given twice/);
  assert.throws(() => parseUniqueObject('{"b":{"a":1,"a":2}}', "a"), /a key is given twice/);
  const text = '{"NaN": [NaN, -Infinity, Infinity, "NaN \\" Infinity"], "b": "NaN"}';
  assert.throws(() => parseJson(text, "a"), /it is not JSON/);
  const read = { NaN: [null, null, null, 'NaN " Infinity'], b: "NaN" };
  assert.deepEqual(parseJson(text, "a", { python: true }), read);
});
