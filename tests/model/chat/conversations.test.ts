/** Tools, calls, thinking and answers that are gone on with, as transformers renders them: tests/data/chat/make.py. */
import assert from "node:assert/strict";
import { renderChat } from "../../../lib/model/chat/chat.ts";
import type { ChatMessage } from "../../../lib/model/chat/chat_types.ts";
import { inDirectory, runCli } from "../../cli/run_cli.ts";

interface Conversations {
  readonly template: string;
  readonly model: string;
  readonly cases: readonly {
    readonly messages: readonly ChatMessage[];
    readonly tools?: readonly unknown[];
    readonly thinking?: boolean;
    readonly continue?: boolean;
    readonly text: string;
    readonly tokens: readonly number[];
  }[];
}

const data = new URL("../../data/", import.meta.url);
const { template, model, cases }: Conversations = JSON.parse(
  Deno.readTextFileSync(new URL("chat/conversations.json", data)),
);
const chat = { file: "chat_template.jinja", template, specialTokens: {} };

Deno.test("tools, calls, thinking, parts and open answers as transformers renders them", () => {
  assert.equal(cases.length, 8);
  for (const { messages, tools, thinking, text, ...one } of cases) {
    const options = { tools, thinking, continueFinalMessage: one.continue };
    assert.equal(renderChat(chat, messages, options), text);
  }
});

Deno.test("--messages: a chat from a file gives transformers' tokens, in every form that it may have", async () => {
  await inDirectory(async (directory) => {
    const from = new URL(`models/${model}/`, data);
    for (const file of ["model.safetensors", "tokenizer.json", "tokenizer_config.json"]) {
      await Deno.copyFile(new URL(file, from), `${directory}/${file}`);
    }
    const config = JSON.parse(await Deno.readTextFile(new URL("config.json", from)));
    const room = { max_position_embeddings: 2048, max_window_layers: 0 };
    await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...config, ...room }));
    await Deno.writeTextFile(`${directory}/chat_template.jinja`, template);
    const file = `${directory}/chat.json`;
    for (const { messages, tools, thinking, tokens } of cases) {
      const isPlain = tools === undefined && messages.length > 1;
      await Deno.writeTextFile(file, JSON.stringify(isPlain ? messages : { messages, tools }));
      const summary = `${directory}/run.json`;
      const flags = thinking === undefined ? [] : [thinking ? "--thinking" : "--no-thinking"];
      const args = ["attribute", "--messages", file, ...flags, "--model", directory, "--track", "hook_embed"];
      const { code, stderr } = await runCli([...args, "--threads", "1", "--top", "1", "--quiet", "--summary", summary]);
      assert.deepEqual([code, stderr], [0, ""]);
      const run = JSON.parse(await Deno.readTextFile(summary));
      assert.deepEqual(run.tokens.map(({ id }: { id: number }) => id), tokens);
    }
  });
});

Deno.test("--messages: what is no chat is said in one line, and what else would say the prompt is refused", async () => {
  await inDirectory(async (directory) => {
    const file = `${directory}/chat.json`;
    const ask = async (text: string, more: readonly string[] = []): Promise<[number, string]> => {
      await Deno.writeTextFile(file, text);
      const { code, stdout, stderr } = await runCli([
        "predict",
        "--messages",
        file,
        "--threads",
        "1",
        "--quiet",
        ...more,
      ]);
      assert.equal(stdout, "");
      return [code, stderr];
    };
    const chat = '[{"role": "user", "content": "Hi"}]';
    const cases: [text: string, more: string[], code: number, message: RegExp][] = [
      ["{", [], 1, /^error: Cannot read messages from .*chat\.json: it is not JSON/],
      ["[]", [], 1, /: give a list of 1 to 10000 messages, or an object with such "messages"\n$/],
      ['{"messages": [], "x": 1}', [], 1, /: there is "x"; give messages, and perhaps tools\n$/],
      ['[{"content": "Hi"}]', [], 1, /: message 0 is .*: give an object with role and content\n$/],
      ['[{"role": "user"}]', [], 1, /: the content of message 0 is undefined: give a text, or a list of parts/],
      [`{"messages": ${chat}, "tools": [1]}`, [], 1, /: tools are no list of objects: give a JSON schema for each\n$/],
      [chat, [], 1, /has no chat template/],
      [
        chat,
        ["--system", "Be brief."],
        2,
        /^error: --system is a message of the file of --messages: write it there\n$/,
      ],
      [chat, ["--prepend-bos"], 2, /^error: --prepend-bos and --messages exclude each other/],
      [chat, ["--token-ids", "1,2"], 2, /^error: --token-ids are used exactly as given and --messages writes text/],
      [chat, [" Hello"], 2, /^error: the prompt is given twice, as " Hello" and as --messages: give one of them\n$/],
    ];
    for (const [text, more, want, message] of cases) {
      const [code, stderr] = await ask(text, more);
      assert.equal(code, want, stderr);
      assert.match(stderr, message);
    }
    const missing = await runCli(["predict", "--messages", `${directory}/none.json`, "--quiet"]);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /none\.json/);
  });
});

Deno.test("thinking is for templates that know it, and an answer that a template drops cannot be gone on with", () => {
  const messages = [{ role: "user", content: "Hi" }, { role: "assistant", content: "It is" }];
  const plain = { file: "a.jinja", template: "{% for m in messages %}{{ m.content }}{% endfor %}", specialTokens: {} };
  assert.throws(() => renderChat(plain, messages, { thinking: false }), {
    name: "RangeError",
    message: "The chat template in a.jinja reads neither enable_thinking nor thinking: leave out `thinking`",
  });
  assert.equal(renderChat(plain, messages, { continueFinalMessage: true, assistantPrefix: " so" }), "HiIt is so");
  const users = { ...plain, template: "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}" };
  assert.throws(() => renderChat(users, messages, { continueFinalMessage: true }), {
    message: "The chat template in a.jinja leaves out the text of the last message",
  });
  const both = { continueFinalMessage: true, addGenerationPrompt: true };
  assert.throws(() => renderChat(plain, messages, both), {
    message: /goes on with its last message or begins another/,
  });
  const call = [{ role: "assistant", content: null, tool_calls: [] }];
  assert.throws(() => renderChat(plain, call, { continueFinalMessage: true }), {
    message: /has no text to go on with/,
  });
});
