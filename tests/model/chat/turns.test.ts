/** Where in a chat's tokens its messages are: against the tokenizers' own offsets, tests/data/chat/turns.py. */
import assert from "node:assert/strict";
import { writeChat } from "../../../lib/model/chat/chat.ts";
import type { ChatMessage, ChatPrompt, ChatTurn } from "../../../lib/model/chat/chat_types.ts";
import { tokenSpans } from "../../../lib/model/chat/turns.ts";
import { createTokenizer, type ModelTokenizer } from "../../../lib/model/tokenizer.ts";

interface Chats {
  readonly name: string;
  readonly model: string;
  readonly template: string;
  readonly cases: readonly {
    readonly messages: readonly ChatMessage[];
    readonly prefix?: string | null;
    readonly variables?: Readonly<Record<string, unknown>>;
    readonly tools?: readonly unknown[];
    readonly thinking?: boolean;
    readonly continue?: boolean;
    readonly tokens?: readonly number[];
  }[];
}

type GoldenTurn = readonly [role: string, start: number | null, end: number | null];

const data = new URL("../../data/", import.meta.url);
const read = (name: string): string => Deno.readTextFileSync(new URL(name, data));
const conversations: Chats = { name: "conversations", ...JSON.parse(read("chat/conversations.json")) };
const chats: readonly Chats[] = [...JSON.parse(read("chat/chats.json")), conversations];
const goldens: Readonly<Record<string, readonly (readonly GoldenTurn[] | null)[]>> = JSON.parse(
  read("chat/turns.json"),
);

function tokenizerOf(model: string): { tokenizer: ModelTokenizer; specialTokens: Record<string, string> } {
  const tokenizerConfigJson = read(`models/${model}/tokenizer_config.json`);
  const tokenizer = createTokenizer({ tokenizerJson: read(`models/${model}/tokenizer.json`), tokenizerConfigJson });
  const texts = Object.entries(JSON.parse(tokenizerConfigJson)).filter(([name, text]) =>
    name.endsWith("_token") && typeof text === "string"
  );
  return { tokenizer, specialTokens: Object.fromEntries(texts) as Record<string, string> };
}

const plain = ({ role, start, end }: ChatTurn): GoldenTurn => [role, start ?? null, end ?? null];

for (const { name, model, template, cases } of chats) {
  Deno.test(`turns: ${name}, where the tokenizer's offsets have them`, () => {
    const { tokenizer, specialTokens } = tokenizerOf(model);
    const chat = { file: "chat_template.jinja", template, specialTokens };
    let found = 0;
    for (const [i, { messages, prefix, variables, tools, thinking, ...one }] of cases.entries()) {
      const golden = goldens[name][i];
      if (golden === null) continue;
      const options = {
        ...{ variables, tools, thinking, continueFinalMessage: one.continue },
        ...(typeof prefix === "string" ? { assistantPrefix: prefix } : {}),
      };
      const { tokens, turns } = writeChat(chat, messages, options, tokenizer);
      assert.deepEqual(tokens, one.tokens);
      assert.deepEqual(turns.map(plain), golden);
      assert.deepEqual(turns.map(({ isOpen = false }) => isOpen), turns.map((_, at) => at === turns.length - 1));
      found += golden.length;
    }
    assert.ok(found >= 6);
  });
}

/** A chat in the tiny tokenizer of qwen2. */
function write(
  template: string,
  messages: readonly ChatMessage[],
): ChatPrompt & { said(at: number): string | undefined } {
  const { tokenizer } = tokenizerOf("qwen2");
  const written = writeChat({ file: "chat_template.jinja", template, specialTokens: {} }, messages, {}, tokenizer);
  const said = (at: number): string | undefined => {
    const { start, end } = written.turns[at];
    return start === undefined ? undefined : tokenizer.decode(written.tokens.slice(start, end));
  };
  return { ...written, said };
}

const PLAIN = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>\n{% endfor %}";
const user = (content: string): ChatMessage => ({ role: "user", content });

Deno.test("turns: a content that stands elsewhere too is found where it is meant", () => {
  const { said, text } = write(PLAIN, [user("user"), user("user"), user("<user>1</user>"), user("\ue0000\ue001 $& 7")]);
  assert.ok(text.startsWith("<user>user</user>\n<user>user</user>"));
  assert.deepEqual([said(0), said(1), said(2), said(3)], ["user", "user", "<user>1</user>", "\ue0000\ue001 $& 7"]);
});

Deno.test("turns: what a template changes, drops or looks into has no place", () => {
  const places = (template: string, contents: readonly string[]): (string | undefined)[] => {
    const { said } = write(template, contents.map(user));
    return contents.map((_, i) => said(i));
  };
  assert.deepEqual(places("{{ messages[1].content }}", ["dropped", "kept"]), [undefined, "kept"]);
  assert.deepEqual(places("{{ messages[1].content }}-{{ messages[0].content }}", ["second", "first"]), [
    "second",
    "first",
  ]);
  assert.deepEqual(places("{{ messages[0].content | upper }}", ["loud"]), ["LOUD"]);
  assert.deepEqual(places("{{ messages[0].content.split('|')[-1] }}", ["thought|said"]), [undefined]);
  assert.deepEqual(places("{{ messages[0].content | length }}", ["four"]), [undefined]);
  const looks =
    "{% if messages[0].content.startswith('a') %}A{% endif %}{{ messages[0].content }}{{ messages[1].content }}";
  assert.deepEqual(places(looks, ["abc", "def"]), [undefined, undefined]);
  const takesPlain = "{{ messages[0].content if messages[0].content == 'abc' else raise_exception('no') }}";
  assert.deepEqual(places(takesPlain, ["abc"]), [undefined]);
  assert.deepEqual(places(PLAIN, ["  ", " a "]), [undefined, " a"]);
});

Deno.test("turns: tokens that do not say the text have no places in it", () => {
  const words = ["One", " two", " ", "tea"];
  const decode = (ids: readonly number[]): string => ids.map((id) => words[id]).join("");
  const spans = [{ start: 0, end: 3 }, { start: 3, end: 7 }, { start: 9, end: 12 }];
  assert.deepEqual(tokenSpans("One two  tea ", [0, 1, 3], { decode }), spans); // as a token that takes spaces beside it
  assert.equal(tokenSpans("ONE two", [0, 1], { decode }), undefined);
  assert.equal(tokenSpans("One two tea", [0, 1], { decode }), undefined);
  assert.equal(tokenSpans("One two", [0, 1, 3], { decode }), undefined);
});
