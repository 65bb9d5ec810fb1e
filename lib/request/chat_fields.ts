/**
 * The fields of a request that make a chat of its prompt.
 *
 * @module
 */
import { type Field, NO_FILES_OVER_HTTP } from "./field.ts";

const NOT_THE_PROMPT = "every prompt is given there, and a file of messages is one: leave it out";

/** A chat around the prompt. */
export const CHAT_FIELDS = {
  chat: {
    kind: "boolean",
    help: "every prompt is what a user says: write it with the model's chat template, up to where the answer begins",
  },
  messages: {
    kind: "string",
    placeholder: "FILE",
    reads: true,
    help:
      "instead of PROMPT, a chat as JSON: a list of messages with role and content, or an object with messages, and " +
      "perhaps tools; what a last message of the assistant's says is gone on with",
    refused: {
      batch: NOT_THE_PROMPT,
      schedule: NOT_THE_PROMPT,
      verify: NOT_THE_PROMPT,
      ...NO_FILES_OVER_HTTP,
    },
  },
  thinking: {
    kind: "boolean",
    negatable: true,
    help: "of a chat whose template knows it, let the model think before it answers, or not",
  },
  system: { kind: "string", placeholder: "TEXT", help: "of a chat, the system message before it" },
  assistantPrefix: { kind: "string", placeholder: "TEXT", help: "of a chat, the beginning of the answer" },
  chatVariable: {
    kind: "string",
    multiple: true,
    placeholder: "NAME=VALUE",
    help:
      "of a chat, what the template reads besides (enable_thinking=false, date_string=26 Jul 2024): JSON, else text",
  },
} as const satisfies Readonly<Record<string, Field>>;
