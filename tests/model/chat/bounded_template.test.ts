/** Chat templates that are made to run for ever or to fill memory are stopped, and long chats are not. */
import assert from "node:assert/strict";
import { readTemplate, renderTemplate } from "../../../lib/model/chat/bounded_template.ts";
import { renderChat } from "../../../lib/model/chat/chat.ts";
import type { ChatMessage } from "../../../lib/model/chat/chat_types.ts";

const big = (n: number): string => "a".repeat(n);
/** What the file of a model may hold, by what it tries. */
const HOSTILE: Record<string, string> = {
  "nested loops":
    "{% for i in range(99999) %}{% for j in range(99999) %}{% for k in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
  "empty loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
  "range": "{{ range(1000000000)|length }}",
  "range var": "{% set r = range %}{{ r(1000000000)|length }}",
  "doubling":
    "{% set ns = namespace(s='ab') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s|length }}",
  "list doubling":
    "{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s|length }}",
  "shared":
    "{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
  "shared map":
    "{% set ns = namespace(s={'a':1}) %}{% for i in range(60) %}{% set ns.s = {'a': ns.s, 'b': ns.s} %}{% endfor %}{{ ns.s|tojson }}",
  "cycle": "{% set ns = namespace(s=1) %}{% set ns.s = ns %}{{ ns|tojson }}",
  "namespaces": "{% set a = namespace(x=1) %}" +
    Array.from(
      { length: 60 },
      (_, i) => `{% set b${i} = namespace(x=${i ? `b${i - 1}` : "a"}, y=${i ? `b${i - 1}` : "a"}) %}`,
    ).join("") +
    "{{ b59|tojson }}",
  "output": "{% for i in range(99999) %}" + big(10000) + "{% endfor %}",
  "output list": "{% set x = range(9999) %}{% for i in range(9999) %}{{ x }}{% endfor %}",
  "replace": `{{ ('${big(100000)}').replace('a', '${big(100000)}') }}`,
  "replace filter": `{{ '${big(100000)}' | replace('a', '${big(100000)}') }}`,
  "replace 2": `{{ ('${big(100000)}').replace('a', '${big(3000)}') }}`,
  "join": `{{ range(99999)|join('${big(100000)}') }}`,
  "indent": "{{ 'a\\nb\\nc'|indent(500000000, true) }}",
  "indent kw": "{{ 'a\\nb\\nc'|indent(width=500000000, first=true) }}",
  "filter block": "{% filter indent(500000000, true) %}a\nb{% endfilter %}",
  "tojson indent": "{{ [[1]]|tojson(indent=500000000) }}",
  "tojson deep":
    "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s|tojson(indent=1000000) }}",
  "macro tree": "{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
  "macro body": "{% for i in range(9999) %}{% for j in range(99) %}{% macro f() %}" + "{{ a }}".repeat(30000) +
    "{% endmacro %}{% endfor %}{% endfor %}",
  "parens": "{{ " + "(".repeat(100000) + "1" + ")".repeat(100000) + " }}",
  "lists": "{{ " + "[".repeat(100000) + "1" + "]".repeat(100000) + " }}",
  "ifs": "{% if 1 %}".repeat(20000) + "{% endif %}".repeat(20000),
  "nots": "{{ " + "not ".repeat(60000) + "1 }}",
  "plus": "{{ 1" + " + 1".repeat(60000) + " }}",
  "tilde": "{{ 'a'" + " ~ 'a'".repeat(40000) + " }}",
  "pipes": "{{ 'a'" + " |upper".repeat(30000) + " }}",
  "dots": "{{ a" + ".b".repeat(100000) + " }}",
  "blanks": " ".repeat(200000) + "x",
  "unknown": "{% for i in range(99999) %}{{ a }}{{ b }}{{ c }}{{ d }}{{ e }}{% endfor %}",
  "clock": "{% for i in range(99999) %}{{ strftime_now('%B %b %d %Y') }}{% endfor %}",
  "sort": `{% set s = '${
    big(100000)
  }' %}{% set ns = namespace(l=[s]) %}{% for i in range(17) %}{% set ns.l = ns.l + ns.l %}{% endfor %}{{ ns.l|sort|length }}`,
  "in": `{% set s = '${big(200000)}' %}{% for i in range(99999) %}{% if 'aaaaaaaaaaaab' in s %}{% endif %}{% endfor %}`,
  "split": `{% set s = '${big(200000)}' %}{% for i in range(99999) %}{{ s.split('a')|length }}{% endfor %}`,
  "slice": "{% for i in range(9999) %}{% set x = range(99999)[::-1] %}{% endfor %}",
  "caller": "{% macro w() %}{{ caller() }}{{ caller() }}{% endmacro %}" + "{% call w() %}".repeat(60) + "x" +
    "{% endcall %}".repeat(60),
  "long": "a".repeat(300000),
  "items":
    "{% set ns = namespace(d={}) %}{% for i in range(99999) %}{% set ns.d = dict(ns.d, **{'a' ~ i: 1}) %}{% endfor %}",
};

const HI: readonly ChatMessage[] = [{ role: "user", content: "Hi" }];
const render = (template: string, messages = HI): string =>
  renderChat({ file: "chat_template.jinja", template, specialTokens: {} }, messages);

Deno.test("hostile templates are stopped, with a line, long before they fill time or memory", () => {
  for (const [name, template] of Object.entries(HOSTILE)) {
    const [started, memory] = [performance.now(), Deno.memoryUsage().rss];
    assert.throws(() => render(template), (error: Error) => {
      assert.match(error.message, /^(Cannot read the|The) chat template in chat_template\.jinja/, name);
      assert.match(error.message, /: write the chat yourself and give it as plain text$/, name);
      assert.ok(error.message.length <= 300 && !/[\r\n]/.test(error.message), name);
      return true;
    }, name);
    assert.ok(performance.now() - started < 20_000, `${name} took ${performance.now() - started} ms`);
    assert.ok(Deno.memoryUsage().rss - memory < 500e6, `${name} took ${(Deno.memoryUsage().rss - memory) / 1e6} MB`);
  }
});

Deno.test("blanks that make a template's reader look back are read in bounded time", () => {
  const runs = [" ", "\n", "\t{%"].map((blank) => `${blank.repeat(300)}x`);
  for (const run of runs) {
    const text = (run.includes("{%") ? `${" ".repeat(999)}{%${" ".repeat(999)}if 1 %}{% endif %}` : run).repeat(120);
    const started = performance.now();
    assert.ok(render(text).length > 0);
    assert.ok(performance.now() - started < 20_000);
  }
});

Deno.test("what a template says itself is cut to a hundred characters of a line", () => {
  assert.throws(() => render(`{{ raise_exception('${big(5000)}') }}`), {
    message: `The chat template in chat_template.jinja does not take this chat: ${big(100)}…`,
  });
});

Deno.test("long chats and long messages are written: limits grow with what is asked", () => {
  const template = "{% for m in messages %}{% if loop.index0 + 1 == messages|length %}last: {% endif %}" +
    "<|{{ m['role'] }}|>{{ m['content'] | trim | replace('</think>', '') }}{{ '\\n' }}{% endfor %}";
  for (const [count, length] of [[2, 1_000_000], [300, 3000], [2000, 100]]) {
    const messages = Array.from(
      { length: count },
      (_, i) => ({ role: i % 2 ? "assistant" : "user", content: big(length) }),
    );
    const lines = render(template, messages).split("\n");
    assert.equal(lines.length, count + 1);
    assert.equal(lines[count - 1], `last: <|assistant|>${big(length)}`);
  }
});

Deno.test("parts where a template takes a text are refused, as Python refuses them, not written as JSON", () => {
  const parts = [{ role: "user", content: [{ type: "text", text: "Hi" }] }];
  const why = "The chat template in chat_template.jinja does not take this chat: it";
  for (
    const [template, what] of [
      ["{{ '<s>' + messages[0]['content'] + '</s>' }}", "adds a list to a text"],
      ["{{ messages[0]['content'][0] + '</s>' }}", "adds a map to a text"],
      ["{% for m in messages %}{% if m %}{{ m.content }}{% endif %}{% endfor %}", "writes a list as it is"],
      ["{% for m in [] %}{% else %}{{ messages[0] }}{% endfor %}", "writes a map as it is"],
    ]
  ) {
    const message = `${why} ${what}: write the chat yourself and give it as plain text`;
    assert.throws(() => render(template, parts), { message }, template);
  }
  const takes = "{{ 'a' + messages[0].content[0].text + '!' }}{{ ([1] + [2, 3])|length + 1 }}{{ [1, 2.5, -3] }}";
  assert.equal(render(takes, parts), "aHi!4[1, 2.5, -3]");
});

Deno.test("filters, methods and ranges are those of the library", () => {
  const cases: readonly (readonly [template: string, text: string])[] = [
    ["{{ [3, 1, 2]|sort|join('-') }} {{ range(2, 9, 3)|list }} {{ range(3, 0, -1)|join }}", "1-2-3 [2, 5, 8] 321"],
    ["{{ 'a\nb'|indent(2, true) }}{{ 'aXbX'.replace('X', '--', 1) }}", "  a\n  ba--bX"],
    ["{{ {'a': [1, {'b': none}]}|tojson(indent=2) }}", '{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ]\n}'],
    ["{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|join(', ') }}", "Hi"],
    ["{% set first = []|first %}{% if first %}yes{% else %}no{% endif %}{{ x|default('d') }}", "nod"],
    ["{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1)|upper }}{% endif %}{% endmacro %}{{ f(3) }}", "321"],
    [
      "{% set ns = namespace(n=0) %}{% for c in 'a b c'.split(' ') %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
      "3",
    ],
    ["{% filter upper %}a{% endfilter %}{{ True }}{{ None is none }}", "Atruetrue"],
  ];
  for (const [template, text] of cases) assert.equal(renderTemplate(readTemplate(template), { messages: HI }), text);
  assert.match(
    render("{{ strftime_now('%d %b %B %Y %m %H:%M:%S%%') }}"),
    /^\d\d [A-Z][a-z]{2} [A-Z][a-z]+ \d{4} \d\d \d\d:\d\d:\d\d%$/,
  );
  assert.throws(() => render("{{ strftime_now('%Z') }}"), /it asks for "%Z" of a date: give the variable/);
});
