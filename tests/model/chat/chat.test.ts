import assert from "node:assert/strict";
import { renderChat } from "../../../lib/model/chat/chat.ts";
import type { ChatMessage } from "../../../lib/model/chat/chat_types.ts";
import { loadModel } from "../../../lib/model/model.ts";
import { testPrompt } from "../../../lib/attribution/run/predict.ts";
import { inDirectory, runCli } from "../../cli/run_cli.ts";

/** A template and what transformers makes of chats with it: tests/data/chat/make.py. */
interface Chats {
  readonly name: string;
  readonly model: string;
  readonly own_file: boolean;
  readonly template: string;
  readonly cases: readonly {
    readonly messages: readonly ChatMessage[];
    readonly prefix: string | null;
    readonly variables: Readonly<Record<string, unknown>>;
    readonly text?: string;
    readonly tokens?: readonly number[];
    readonly error?: string;
  }[];
}

const data = new URL("../../data/", import.meta.url);
const chats: readonly Chats[] = JSON.parse(Deno.readTextFileSync(new URL("chat/chats.json", data)));

/** A small model with a chat template, in a directory of its own. */
async function withTemplate(
  { model, own_file, template }: Pick<Chats, "model" | "own_file"> & { readonly template: unknown },
  test: (directory: string) => Promise<void>,
): Promise<void> {
  await inDirectory(async (directory) => {
    const from = new URL(`models/${model}/`, data);
    for (const file of ["model.safetensors", "tokenizer.json"]) {
      await Deno.copyFile(new URL(file, from), `${directory}/${file}`);
    }
    const room = model === "gpt2" ? {} : { max_position_embeddings: 512 }; // chats are long, rotary positions free
    const modelConfig = JSON.parse(await Deno.readTextFile(new URL("config.json", from)));
    await Deno.writeTextFile(`${directory}/config.json`, JSON.stringify({ ...modelConfig, ...room }));
    const config = JSON.parse(await Deno.readTextFile(new URL("tokenizer_config.json", from)));
    if (!own_file) config.chat_template = template;
    else await Deno.writeTextFile(`${directory}/chat_template.jinja`, String(template));
    await Deno.writeTextFile(`${directory}/tokenizer_config.json`, JSON.stringify(config));
    await test(directory);
  });
}

for (const chat of chats) {
  Deno.test(`applyChatTemplate: ${chat.name} as transformers`, async () => {
    assert.ok(chat.cases.length >= 3);
    await withTemplate(chat, async (directory) => {
      await using model = await loadModel(directory, { threads: 1 });
      for (const { messages, prefix, variables, text, tokens, error } of chat.cases) {
        const options = { variables, ...(prefix === null ? {} : { assistantPrefix: prefix }) };
        if (error !== undefined) {
          await assert.rejects(model.applyChatTemplate(messages, options), (thrown: Error) => {
            assert.ok(thrown instanceof RangeError);
            assert.ok(thrown.message.endsWith(`does not take this chat: ${error}`), thrown.message);
            return true;
          });
          continue;
        }
        const written = await model.applyChatTemplate(messages, options);
        assert.equal(written.text, text);
        assert.deepEqual(written.tokens, tokens);
      }
    });
  });
}

Deno.test("applyChatTemplate: a chat is a prompt with the template's one BOS", async () => {
  await withTemplate(chats[1], async (directory) => {
    await using model = await loadModel(directory, { threads: 1 });
    const { tokens } = await model.applyChatTemplate([{ role: "user", content: "Hi" }]);
    const test = await testPrompt(model, tokens);
    const { bosId } = await model.requireTokenizer();
    assert.deepEqual(test.tokens.map(({ id }) => id).flatMap((id, at) => id === bosId ? [at] : []), [0]);
    const without = await model.applyChatTemplate([{ role: "user", content: "Hi" }], { addGenerationPrompt: false });
    assert.deepEqual(tokens.slice(0, without.tokens.length), without.tokens);
    assert.ok(without.tokens.length < tokens.length);
  });
});

Deno.test("applyChatTemplate: templates by name, none, and broken ones", async () => {
  const hi = [{ role: "user", content: "Hi" }];
  const named = [{ name: "tool_use", template: "T" }, { name: "default", template: "{{ messages[0].content }}" }];
  const outcome = async (template: unknown): Promise<string> => {
    let text = "";
    await withTemplate({ model: "gpt2", own_file: false, template }, async (directory) => {
      await using model = await loadModel(directory, { threads: 1 });
      text = await model.applyChatTemplate(hi).then(({ text }) => text, (error) => `${error.name}: ${error.message}`);
    });
    return text;
  };
  assert.equal(await outcome(named), "Hi");
  assert.match(await outcome(named.slice(0, 1)), /^RangeError: .*by name \(tool_use\), and none is called "default"/);
  assert.match(await outcome(undefined), /^TypeError: .* has no chat template .*: it is not made for chats/);
  assert.match(
    await outcome("{% for x in"),
    /^SyntaxError: Cannot read the chat template in tokenizer_config\.json: ./,
  );
  assert.match(await outcome(7), /^SyntaxError: .*chat_template is no text and no list of named texts/);
  assert.match(await outcome("{{ messages[0].content.nothing() }}"), /^RangeError: .*does not take this chat: ./);
});

Deno.test("renderChat: an answer's beginning keeps its spaces, and one line feed at a template's end is Jinja's", () => {
  const chat = { file: "chat_template.jinja", template: "{{ messages[0].content }}:\n", specialTokens: {} };
  assert.equal(renderChat(chat, [{ role: "user", content: "Q" }], { assistantPrefix: " A " }), "Q: A ");
});

Deno.test("--chat with a template that never ends: one line, and the program ends", async () => {
  const endless = "{% for i in range(99999) %}{% for j in range(99999) %}{{ i }}{% endfor %}{% endfor %}";
  await withTemplate({ model: "gpt2", own_file: true, template: endless }, async (directory) => {
    const { code, stdout, stderr } = await runCli(["predict", "Hi", "--chat", "--model", directory]);
    assert.deepEqual([code, stdout], [1, ""]);
    const [line, ...others] = stderr.trimEnd().split("\n").filter((text) => text.startsWith("error: "));
    assert.deepEqual(others, []);
    assert.match(
      line,
      /^error: The chat template in chat_template\.jinja does not take this chat: it takes too many steps: /,
    );
  });
});

Deno.test("--chat on the command line", async () => {
  await withTemplate(chats[1], async (directory) => {
    const common = ["--model", directory, "--threads", "1", "--format", "csv"];
    const chat = ["--chat", "--system", "Be brief.", "--assistant-prefix", "It is"];
    await using model = await loadModel(directory, { threads: 1 });
    const messages = [{ role: "system", content: "Be brief." }, { role: "user", content: "Which sport?" }];
    const { tokens } = await model.applyChatTemplate(messages, { assistantPrefix: "It is" });
    const ids = ["--token-ids", tokens.join()];
    const track = ["--track", "blocks.1.hook_resid_pre", "--pos-id", "5", "--top", "9"];
    const sae = ["--sae", new URL("saes/llama31-std-pre1", data).pathname, "--pos-id", "5", "--top", "9"];
    const quiet = [...common, "--quiet"];
    const [predicted, byIds, attributed, attributedByIds, help] = await Promise.all([
      runCli(["predict", "Which sport?", ...chat, ...common]),
      runCli(["predict", ...ids, ...common]),
      runCli(["attribute", "Which sport?", ...chat, ...track, ...common, "--quiet"]),
      runCli(["attribute", ...ids, ...track, ...common, "--quiet"]),
      runCli(["predict", "--help"]),
    ]);
    assert.equal(predicted.code, 0, predicted.stderr);
    assert.equal(attributed.code, 0, attributed.stderr);
    assert.equal(predicted.stdout, byIds.stdout);
    assert.equal(attributed.stdout, attributedByIds.stdout);
    assert.ok(attributed.stdout.split("\n").length > 9);
    const other = await model.applyChatTemplate(
      [messages[0], { role: "user", content: "Which sport!" }],
      { assistantPrefix: "It is" },
    );
    const [compared, comparedByIds] = await Promise.all([
      runCli(
        ["attribute", "Which sport?", ...chat, ...sae, "--baseline", "prompt:Which sport!", ...quiet],
      ),
      runCli(["attribute", ...ids, ...sae, "--baseline", `ids:${other.tokens.join()}`, ...quiet]),
    ]);
    assert.equal(compared.code, 0, compared.stderr);
    assert.equal(compared.stdout, comparedByIds.stdout);
    assert.ok(compared.stdout.split("\n").length > 9);
    assert.match(predicted.stderr, /<\|begin_of_text\|>/);
    assert.match(help.stdout, /--assistant-prefix TEXT/);
  });
  const wrong: [string[], RegExp, number][] = [
    [["predict", "Hi", "--system", "x"], /^error: --system is part of a chat: add --chat/, 2],
    [["predict", "Hi", "--chat", "--no-prepend-bos"], /^error: --no-prepend-bos and --chat exclude each other/, 2],
    [["attribute", "--token-ids", "1,2", "--chat"], /^error: --token-ids are used exactly as given and --chat/, 2],
    [["predict", "Hi", "--chat", "--chat-variable", "x"], /^error: --chat-variable is "x": give NAME=VALUE/, 2],
    [["predict", "Hi", "--chat"], /^error: tiny-facts has no chat template .*give it plain text\n$/, 1],
  ];
  for (const [args, message, code] of wrong) {
    const outcome = await runCli(args);
    assert.match(outcome.stderr, message);
    assert.deepEqual([outcome.code, outcome.stdout], [code, ""]);
  }
});
