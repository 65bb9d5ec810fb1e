/**
 * Prompts as chats.
 *
 * @module
 */
import { checkPositions, positionsIn, type RolePositions, turnsOf } from "../attribution/positions.ts";
import type { ChatMessage, ChatTurn } from "../model/chat/chat_types.ts";
import type { Model } from "../model/model.ts";
import { readTextFile } from "../platform/read_text.ts";
import { quote } from "../quote.ts";
import { isRecord, parseJson } from "../weights/json/json.ts";
import type { RequestValues } from "./fields.ts";
import { RequestError } from "./request_error.ts";

/** A chat around the prompt, or in its place. */
export interface ChatRequest {
  readonly system: string | undefined;
  readonly assistantPrefix: string | undefined;
  /** What the template reads besides. */
  readonly variables: Readonly<Record<string, unknown>>;
  /** Whether the model thinks before it answers; undefined: as the template has it. */
  readonly thinking?: boolean;
  /** The file of the messages that take the prompt's place. */
  readonly messages?: string;
}

/** Messages of a file. */
interface Conversation {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly unknown[];
}

/**
 * The chat that fields ask for; undefined: the prompt is plain text.
 *
 * @throws {RequestError} if fields contradict each other
 */
export function readChat(values: RequestValues): ChatRequest | undefined {
  const { chat = false, messages, system, assistantPrefix, chatVariable = [], thinking, tokenIds, prependBos } = values;
  const name = messages === undefined ? "chat" : "messages";
  if (!chat && messages === undefined) {
    const given = (["system", "assistantPrefix", "thinking"] as const).find((name) => values[name] !== undefined) ??
      (chatVariable.length > 0 ? "chatVariable" : undefined);
    if (given !== undefined) throw new RequestError(`\`${given}\` is part of a chat: add \`chat\`, or leave it out`);
    return undefined;
  }
  if (messages === "") throw new RequestError("`messages` is empty: give the name of a file");
  if (messages !== undefined && system !== undefined) {
    throw new RequestError("`system` is a message of the file of `messages`: write it there");
  }
  if (tokenIds !== undefined) {
    throw new RequestError(`\`tokenIds\` are used exactly as given and \`${name}\` writes text: give one of them`);
  }
  if (prependBos !== undefined) {
    throw new RequestError(
      `\`prependBos: ${prependBos}\` and \`${name}\` exclude each other: the chat template decides about BOS`,
    );
  }
  return {
    system,
    assistantPrefix,
    variables: Object.fromEntries(chatVariable.map(readVariable)),
    ...(thinking === undefined ? {} : { thinking }),
    ...(messages === undefined ? {} : { messages }),
  };
}

function readVariable(text: string): [name: string, value: unknown] {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new RequestError(`\`chatVariable\` is ${quote(text)}: give NAME=VALUE`);
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

/** A prompt, and a chat's messages in it. */
export interface WrittenPrompt {
  readonly prompt: string | readonly number[];
  /** Undefined: it is no chat. */
  readonly turns?: readonly ChatTurn[];
}

/** The prompt, written as a chat if there is to be one. Token ids stay what they are. */
export async function inChat(
  model: Model,
  prompt: string | readonly number[],
  chat: ChatRequest | undefined,
): Promise<string | readonly number[]> {
  return (await written(model, prompt, chat)).prompt;
}

/** The same, with its messages. */
export async function written(
  model: Model,
  prompt: string | readonly number[],
  chat: ChatRequest | undefined,
): Promise<WrittenPrompt> {
  if (chat === undefined || typeof prompt !== "string") return { prompt };
  const { system, assistantPrefix, variables, thinking, messages: file } = chat;
  const { messages, tools } = file === undefined
    ? {
      messages: [...(system === undefined ? [] : [{ role: "system", content: system }]), {
        role: "user",
        content: prompt,
      }],
    }
    : await readMessages(file);
  const continueFinalMessage = messages[messages.length - 1].role === "assistant";
  const options = { assistantPrefix, variables, thinking, tools, continueFinalMessage };
  const { tokens, turns } = await model.applyChatTemplate(messages, options);
  return { prompt: tokens, turns };
}

/**
 * One position, from its message into the prompt.
 *
 * @throws {RangeError} if the chat has it not
 */
export function placeIn({ prompt, turns = [] }: WrittenPrompt, position: number | RolePositions): number {
  if (typeof position === "number") return position;
  const of = { length: prompt.length, turns: turnsOf(turns, prompt.length) };
  checkPositions([position], of);
  return positionsIn([position], of)[0];
}

/** More messages than any chat has. */
const MOST_MESSAGES = 10_000;

/**
 * The messages of a file.
 *
 * @throws {SyntaxError} if there are none, or one has no role
 */
async function readMessages(file: string): Promise<Conversation> {
  const wrong = (what: string): SyntaxError => new SyntaxError(`Cannot read messages from ${file}: ${what}`);
  const json = parseJson(await readTextFile(file, "messages from"), `messages from ${file}`);
  const found: Record<string, unknown> = Array.isArray(json) ? { messages: json } : isRecord(json) ? json : {};
  const unknown = Object.keys(found).find((key) => key !== "messages" && key !== "tools");
  if (unknown !== undefined) throw wrong(`there is ${quote(unknown)}; give messages, and perhaps tools`);
  const { messages, tools } = found;
  if (!Array.isArray(messages) || messages.length === 0 || messages.length > MOST_MESSAGES) {
    throw wrong(`give a list of 1 to ${MOST_MESSAGES} messages, or an object with such "messages"`);
  }
  for (const [i, message] of messages.entries()) {
    if (!isRecord(message) || typeof message.role !== "string") {
      throw wrong(`message ${i} is ${quote(message)}: give an object with role and content`);
    }
    const { content } = message;
    if (content === undefined || content === null ? message.tool_calls === undefined : !isContent(content)) {
      throw wrong(
        `the content of message ${i} is ${quote(content)}: give a text, or a list of parts with type and text`,
      );
    }
  }
  if (tools !== undefined && !(Array.isArray(tools) && tools.every(isRecord))) {
    throw wrong("tools are no list of objects: give a JSON schema for each");
  }
  return { messages, tools };
}

function isContent(content: unknown): boolean {
  return typeof content === "string" || (Array.isArray(content) && content.every(isRecord));
}
