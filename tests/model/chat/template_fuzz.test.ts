/** Chat templates of random loops, values, filters and damage: each ends soon, with a text or with a line. */
import assert from "node:assert/strict";
import { renderChat } from "../../../lib/model/chat/chat.ts";

const INPUTS = 3000;
const CHAT = [{ role: "user", content: "Hi there" }, { role: "assistant", content: "x".repeat(500) }];
const NAMES = ["a", "s", "messages", "ns.x", "ns.y", "loop.index", "m.content", "nothing", "bos_token"];
const NUMBERS = ["0", "1", "3", "99", "9999", "99999", "100000000", "-1", "1.5"];

/** The same templates every time (Park and Miller 1988). */
function makeTemplates(seed: number): (damaged: boolean) => string {
  let state = seed;
  const below = (n: number): number => (state = state * 48271 % 2147483647) % n;
  const pick = <T>(choices: readonly T[]): T => choices[below(choices.length)];
  const n = (): string => pick(NUMBERS);
  const value = (depth: number): string => {
    if (depth === 0) {
      return pick([...NAMES, ...NUMBERS, "'x\\n y'", `'${"q".repeat(below(5000))}'`, "[]", "{}", "none"]);
    }
    const v = (): string => value(depth - 1);
    return pick([
      () => `(${v()} ${pick(["~", "+", "*", "**", "in", "or"])} ${v()})`,
      () => pick([`[${v()}, ${v()}]`, `{'k': ${v()}, 'l': ${v()}}`, `namespace(x=${v()}, y=${v()})`, `f(${v()})`]),
      () => pick([`range(${n()})`, `range(${n()}, ${n()}, ${n()})`, `${v()}[${n()}:${n()}:${n()}]`]),
      () => `${v()}|${pick(["sort", "unique", "upper", "first", "length", "list", "dictsort", "tojson", "string"])}`,
      () => `${v()}|${pick([`join(${v()})`, `replace(${v()}, ${v()})`, `tojson(indent=${n()})`, `default(${v()})`])}`,
      () => `${v()}|string|indent(${n()}, true, true)`,
      () => pick([`(${v()}).replace(${v()}, ${v()})`, `(${v()}).split(${v()})`, "strftime_now('%B')"]),
    ])();
  };
  const part = (depth: number): string => {
    if (depth === 0) return `{{ ${value(2)} }}`;
    const inside = (): string =>
      Array.from({ length: 1 + below(2) }, () => part(depth - 1)).join(pick(["", "\n", "text"]));
    return pick([
      () => `{% for m in ${value(2)} %}${inside()}{% endfor %}`,
      () => `{% for i in range(${n()}) %}${inside()}{% endfor %}`,
      () => `{% set ${pick(["a", "s", "ns.x", "ns.y"])} = ${value(2)} %}`,
      () =>
        pick([
          "{% set ns.x = ns.x ~ ns.x %}",
          "{% set ns.x = [ns.x, ns.x] %}",
          "{% set ns.y = {'a': ns.x, 'b': ns.y} %}",
        ]),
      () => `{% if ${value(2)} %}${inside()}{% else %}${inside()}{% endif %}`,
      () => `{% macro f(a) %}${inside()}{% endmacro %}`,
      () => `{% call f(1) %}${inside()}{% endcall %}`,
      () => `{% filter ${pick(["upper", "trim", "indent(9999)", "replace('a', 'bb')"])} %}${inside()}{% endfilter %}`,
      () => `{{ ${value(3)} }}`,
    ])();
  };
  return (damaged) => {
    const parts = Array.from({ length: 1 + below(6) }, () => part(1 + below(3)));
    const text = [...`{% set ns = namespace(x='ab', y=[1]) %}${parts.join("")}`];
    for (let i = 0; damaged && i < 5; i++) {
      text.splice(below(text.length), below(3), pick(["{%", "%}", "{{", "(", " ".repeat(800), "\\", "'"]));
    }
    return text.join("");
  };
}

Deno.test(`${INPUTS} random templates end with a text or a line, in bounded time and memory`, () => {
  const next = makeTemplates(20261127);
  let written = 0;
  for (let i = 0; i < INPUTS; i++) {
    const template = next(i % 5 === 4);
    const [started, memory] = [performance.now(), Deno.memoryUsage().rss];
    try {
      renderChat({ file: "tokenizer_config.json", template, specialTokens: { bos_token: "<s>" } }, CHAT);
      written++;
    } catch (error) {
      const { message } = error as Error;
      assert.match(message, /^(Cannot read the|The) chat template in tokenizer_config\.json/, template);
      assert.ok(message.length <= 300 && !/[\r\n]/.test(message), message);
    }
    assert.ok(performance.now() - started < 20_000, template);
    assert.ok(Deno.memoryUsage().rss - memory < 500e6, template);
  }
  assert.ok(written > INPUTS / 20, `only ${written} were written`);
});
