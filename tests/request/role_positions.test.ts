/** Positions named by role: every command gives the rows that it gives by their numbers. */
import assert from "node:assert/strict";
import {
  checkPositions,
  positionNames,
  type Positions,
  positionsIn,
  turnsOf,
} from "../../lib/attribution/positions.ts";
import { readPositions } from "../../lib/request/rows.ts";
import {
  calculateFeatureAttribution,
  calculateFeatureAttributions,
  loadModel,
  loadSae,
  longTable,
  targetText,
} from "../../mod.ts";
import { inDirectory, runCli } from "../cli/run_cli.ts";

const CHAT = { chat: true };
/** Positions 2–4, 6–8, 10–11 and 13, of the last of which more may follow. */
const TURNS = [
  { role: "user", start: 2, end: 5 },
  { role: "assistant", start: 6, end: 9 },
  { role: "user", start: 10, end: 12 },
  { role: "tool" },
  { role: "assistant", start: 13, end: 13, isOpen: true },
];

Deno.test("names of positions in messages, and what they mean", () => {
  const at = (text: string, length = 13): number[] =>
    positionsIn(readPositions(text, CHAT), { length, turns: turnsOf(TURNS, length) });
  assert.deepEqual(at("user:1"), [11]);
  assert.deepEqual(at("user"), [10, 11]);
  assert.deepEqual(at("user.0:1:, user:-2, 0"), [0, 3, 4, 10]);
  assert.deepEqual(at("user.-2:0"), [2]);
  assert.deepEqual(at("assistant:0"), [6], "nothing follows the chat");
  assert.deepEqual(at("assistant:0", 15), [13], "what follows is the assistant's last message");
  assert.deepEqual(at("assistant.0"), [6, 7, 8]);
  const names = (length: number): unknown[] => Object.values(positionNames(turnsOf(TURNS, length)));
  const users = ["user.0:0", "user.0:1", "user.0:2"];
  const answer = ["assistant.0:0", "assistant.0:1", "assistant.0:2"];
  assert.deepEqual(names(13), [...users, ...answer.map((name) => name.replace(".0", "")), "user:0", "user:1"]);
  assert.deepEqual(names(14), [...users, ...answer, "user:0", "user:1", "assistant:0"]);
  for (const [position, name] of positionNames(turnsOf(TURNS, 15)).entries()) {
    if (name !== undefined) assert.deepEqual(at(name, 15), [position]);
  }
});

Deno.test("names of positions that a chat has not", () => {
  const check = (positions: Positions): void => checkPositions(positions, { length: 13, turns: turnsOf(TURNS, 13) });
  const wrong: [text: string, message: RegExp][] = [
    ["user:2", /^There is no position "user:2" in a prompt: the message has 2 tokens$/],
    ["user.0:3:", /^There is no position "user.0:3:" in a prompt: the message has 3 tokens$/],
    ["user.2:0", /^There is no position "user.2:0": the chat has 2 of that role, 0 to 1$/],
    ["system:0", /: the chat has no message of that role, it has user, assistant, tool$/],
    ["tool:0", /^The position "tool:0" cannot be found: the chat template changed or left out that message/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(() => check(readPositions(text, CHAT)), { name: "RangeError", message });
  }
  assert.throws(() => positionsIn({ role: "user" }, { length: 3 }), { name: "RangeError", message: /is no chat/ });
  assert.throws(
    () => readPositions("user:1", {}),
    /`positions` is "user:1": write .* user:3; the prompt is no chat: add `chat` or `messages`$/,
  );
  for (const text of ["user:", "user:x", "user.x:1", "a b:1", "user:1:2:3", ":user"]) {
    assert.throws(() => readPositions(text, CHAT), /: write positions and A:B as Python does/);
  }
});

const bundled = new URL("../../models/bundled/", import.meta.url);
const TEMPLATE = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}" +
  "{% if add_generation_prompt %}a:{% endif %}";
const MESSAGES = [
  { role: "system", content: " Tiger Woods plays the sport of golf" },
  { role: "user", content: " The capital of France is" },
  { role: "assistant", content: " Paris" },
  { role: "user", content: " Tiger Woods plays the sport of" },
];

/** The bundled model with a chat template, and a file of messages. */
async function withChat(test: (model: string[], directory: string) => Promise<void>): Promise<void> {
  await inDirectory(async (directory) => {
    for await (const { name } of Deno.readDir(new URL("tiny-facts", bundled))) {
      await Deno.copyFile(new URL(`tiny-facts/${name}`, bundled), `${directory}/${name}`);
    }
    await Deno.writeTextFile(`${directory}/chat_template.jinja`, TEMPLATE);
    await Deno.writeTextFile(`${directory}/chat.json`, JSON.stringify(MESSAGES));
    await test(["--model", directory, "--threads", "1", "--quiet"], directory);
  });
}

const sae = (hook: string): string[] => ["--sae", new URL(`tiny-facts-saes/${hook}`, bundled).pathname];
const GOLF = ["--pos-token", " golf", "--neg-token", " tennis"];

async function out(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args);
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

Deno.test("commands: rows at named positions are those at their numbers, and the column role has the names", async () => {
  await withChat(async (model, directory) => {
    const chat = ["--messages", `${directory}/chat.json`];
    const explained = [...chat, ...model, ...sae("blocks.3.hook_resid_pre"), "--format", "csv"];
    const all = await out([
      "attribute",
      ...explained,
      ...GOLF,
      "--columns",
      "position,role",
      "--summary",
      `${directory}/s.json`,
    ]);
    const places = new Map(all.split("\n").slice(1, -1).map((line) => line.split(",").reverse() as [string, string]));
    const [first, last] = [places.get("user:1")!, places.get("user:5")!];
    assert.ok(Number(places.get("system:0")) < Number(places.get("user.0:4")) && Number(first) < Number(last));
    const { tokens } = JSON.parse(await Deno.readTextFile(`${directory}/s.json`));
    const said = (role: string): string =>
      tokens.filter((token: { role?: string }) => token.role?.split(":")[0] === role)
        .map(({ text }: { text: string }) => text).join("");
    const names = ["system", "user.0", "assistant", "user"];
    assert.deepEqual(names.map(said), MESSAGES.map(({ content }) => content));
    const same = async (
      args: readonly string[],
      named: readonly string[],
      counted: readonly string[],
    ): Promise<void> => {
      const rows = await out([...args, ...named]);
      assert.ok(rows.split("\n").length > 2);
      assert.equal(rows, await out([...args, ...counted]));
    };
    const attribute = ["attribute", ...explained];
    await same([...attribute, ...GOLF], ["--positions", "user:1,user:-1"], ["--positions", `${first},${last}`]);
    await same([...attribute, ...GOLF, "--table", "features"], ["--positions", "user:1"], ["--positions", first]);
    await same([...attribute, "--generate", "3"], ["--answer-positions", "assistant:1:"], ["--answer-positions", "1:"]);
    const steer = ["steer", ...explained];
    await same(steer, ["--set", "189@user:-1=9", "--position", "user:5"], [
      "--set",
      `189@${last}=9`,
      "--position",
      last,
    ]);
    const two = [...chat, ...model, ...sae("blocks.2.hook_resid_pre"), ...sae("blocks.3.hook_resid_pre")];
    const [feature] = (await out([...attribute, ...GOLF, "--positions", last, "--columns", "feature", "--top", "1"]))
      .split("\n").slice(1);
    const edges = ["edges", ...two, "--format", "csv"];
    await same(edges, ["--target", `${feature}@user:5`], ["--target", `${feature}@${last}`]);
  });
});

Deno.test("calculateFeatureAttribution: a chat's turns name its positions, in the tokens that the metric appends too", async () => {
  await withChat(async (_, directory) => {
    await using model = await loadModel(directory, { threads: 1 });
    await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
    const { tokens, turns } = await model.applyChatTemplate(MESSAGES);
    const [metric, options] = [targetText(" golf. Roger"), { saes: [sae] }];
    const result = await calculateFeatureAttribution(model, tokens, metric, { ...options, turns });
    const at = { role: "assistant", at: { start: 1 } } as const;
    const { rows } = await longTable(result, { positions: at, columns: ["position", "role"] });
    const places = new Map([...rows].map(([position, role]) => [role, position]));
    assert.deepEqual(
      [...places].toSorted(),
      [["assistant:1", tokens.length + 1]],
      "the last one explains, and has no row",
    );
    const [one] = await calculateFeatureAttributions(model, [{ prompt: tokens, metric, turns }], options);
    assert.equal(one.status, "fulfilled");
    assert.deepEqual(one.status === "fulfilled" && one.value.turns, result.turns);
    const several = calculateFeatureAttributions(model, [{ prompt: tokens, metric }], { ...options, turns });
    await assert.rejects(several, { name: "RangeError", message: /^`turns` are of one prompt/ });
    assert.throws(() => checkPositions(at, { length: tokens.length }), { message: /the prompt is no chat/ });
  });
});

Deno.test("commands: a name without a chat is a fault of usage, one that the chat has not ends the run", async () => {
  await withChat(async (model, directory) => {
    const fails = async (code: number, message: RegExp, ...args: string[]): Promise<void> => {
      const outcome = await runCli([...args, ...model, ...sae("blocks.3.hook_resid_pre")]);
      assert.deepEqual([outcome.code, outcome.stdout], [code, ""]);
      assert.match(outcome.stderr, message);
    };
    const chat = ["--messages", `${directory}/chat.json`, ...GOLF];
    const noChat = /^error: --\w+ is "user:1": write .*; the prompt is no chat: add --chat or --messages\n$/;
    await fails(2, noChat, "attribute", " a", "--positions", "user:1");
    await fails(2, noChat, "steer", " a", "--set", "1@user:1=0");
    await fails(2, noChat, "edges", " a", "--target", "1@user:1", ...sae("blocks.2.hook_resid_pre"));
    await fails(
      1,
      /^error: There is no position "tool:1": the chat has no/,
      "attribute",
      ...chat,
      "--positions",
      "tool:1",
    );
    const other = /^error: There is no position "user:1" in an answer: that is somewhere else in the chat\n$/;
    await fails(1, other, "attribute", ...chat.slice(0, 2), "--generate", "2", "--answer-positions", "user:1");
  });
});

Deno.test("batch: names are read in every prompt's own chat, and a prompt without such a message fails alone", async () => {
  await withChat(async (model, directory) => {
    const [one, other] = [" Tiger Woods plays the sport of", " Serena Williams plays"];
    const lines = [{ prompt: one }, { ids: [1, 2, 3] }, { prompt: other }].map((line) => JSON.stringify(line));
    await Deno.writeTextFile(`${directory}/in.jsonl`, lines.join("\n"));
    const asked = [...GOLF, "--chat", ...model, ...sae("blocks.3.hook_resid_pre"), "--positions", "user:-1"];
    const columns = ["--columns", "role,feature,attribution"];
    const file = `${directory}/rows.csv`;
    assert.equal(await out(["batch", `${directory}/in.jsonl`, "--output", file, ...asked, ...columns]), "");
    const rows = (await Deno.readTextFile(file)).split("\n");
    for (const [id, prompt] of [["1", one], ["3", other]]) {
      const alone = (await out(["attribute", prompt, ...asked, ...columns, "--format", "csv"])).split("\n").slice(
        1,
        -1,
      );
      assert.ok(alone.length > 0);
      assert.deepEqual(rows.filter((row) => row.startsWith(`${id},`)), alone.map((row) => `${id},${row}`));
    }
    assert.equal(rows.some((row) => row.startsWith("2,")), false);
    const [failed, ...others] = (await Deno.readTextFile(`${file}.run/errors.jsonl`)).trim().split("\n");
    assert.equal(others.length, 0);
    assert.match(JSON.parse(failed).error, /^The position "user:-1" is of a chat's message, and the prompt is no chat/);
  });
});
