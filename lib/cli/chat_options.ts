/**
 * Prompts as chats: the options, and the prompt that they make.
 *
 * @module
 */
import type { Model } from "../model/model.ts";
import type { OptionSpec } from "./args_spec.ts";
import { quote, UsageError } from "./args_values.ts";

/** A chat around the prompt. */
export interface ChatRequest {
  readonly system: string | undefined;
  readonly assistantPrefix: string | undefined;
  /** What the template reads besides. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** The options. */
export const CHAT_OPTIONS = {
  chat: {
    kind: "boolean",
    help: "every prompt is what a user says: write it with the model's chat template, up to where the answer begins",
  },
  system: { kind: "string", placeholder: "TEXT", help: "of a chat, the system message before it" },
  "assistant-prefix": { kind: "string", placeholder: "TEXT", help: "of a chat, the beginning of the answer" },
  "chat-variable": {
    kind: "string",
    multiple: true,
    placeholder: "NAME=VALUE",
    help:
      "of a chat, what the template reads besides (enable_thinking=false, date_string=26 Jul 2024): JSON, else text",
  },
} satisfies Record<string, OptionSpec>;

/** The parsed values of {@linkcode CHAT_OPTIONS}, and of those that a chat leaves no room for. */
export interface ChatValues {
  readonly chat: boolean;
  readonly system: string | undefined;
  readonly "assistant-prefix": string | undefined;
  readonly "chat-variable": readonly string[];
  readonly "token-ids"?: readonly number[];
  readonly "prepend-bos"?: boolean;
}

/**
 * The chat that a command line asks for; undefined: the prompt is plain text.
 *
 * @throws {UsageError} if options contradict each other
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { readChat } from "./chat_options.ts";
 *
 * const values = { chat: true, system: "Be brief.", "assistant-prefix": undefined, "chat-variable": ["deep=false"] };
 * assert.deepEqual(readChat(values)?.variables, { deep: false });
 * ```
 */
export function readChat(values: ChatValues): ChatRequest | undefined {
  const { system, "assistant-prefix": assistantPrefix, "chat-variable": variables } = values;
  if (!values.chat) {
    const given = (["system", "assistant-prefix"] as const).find((name) => values[name] !== undefined) ??
      (variables.length > 0 ? "chat-variable" : undefined);
    if (given !== undefined) throw new UsageError(`--${given} is part of a chat: add --chat, or leave it out`);
    return undefined;
  }
  if (values["token-ids"] !== undefined) {
    throw new UsageError("--token-ids are used exactly as given and --chat writes text: give one of them");
  }
  if (values["prepend-bos"] !== undefined) {
    const flag = values["prepend-bos"] ? "--prepend-bos" : "--no-prepend-bos";
    throw new UsageError(`${flag} and --chat exclude each other: the chat template decides about BOS`);
  }
  return { system, assistantPrefix, variables: Object.fromEntries(variables.map(readVariable)) };
}

function readVariable(text: string): [name: string, value: unknown] {
  const [, name, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) throw new UsageError(`--chat-variable is ${quote(text)}: give NAME=VALUE`);
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

/** The prompt, written as a chat if there is to be one. Token ids stay what they are. */
export async function inChat(
  model: Model,
  prompt: string | readonly number[],
  chat: ChatRequest | undefined,
): Promise<string | readonly number[]> {
  if (chat === undefined || typeof prompt !== "string") return prompt;
  const { system, assistantPrefix, variables } = chat;
  const messages = [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  return (await model.applyChatTemplate(messages, { assistantPrefix, variables })).tokens;
}
