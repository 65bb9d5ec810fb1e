/**
 * What a chat is made of.
 *
 * @module
 */
import type { FileSource } from "../../weights/files/file_source.ts";
import type { ModelTokenizer } from "../tokenizer.ts";

/** One message of a chat. */
export interface ChatMessage {
  /** `system`, `user` or `assistant`, or what else the model's template knows. */
  readonly role: string;
  /** Its text; parts, where the template takes such; null beside `tool_calls`. */
  readonly content?: string | readonly unknown[] | null;
  /** What else the template reads: `tool_calls`, `name`, `reasoning_content` … */
  readonly [name: string]: unknown;
}

/** How a chat becomes tokens. */
export interface ChatOptions {
  /** End with what begins the model's answer. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Go on with the last message, which is left open: transformers' `continue_final_message`. Default false. */
  readonly continueFinalMessage?: boolean;
  /** What the model may call: a JSON schema each. */
  readonly tools?: readonly unknown[];
  /** Whether the model thinks before it answers, where its template knows that. */
  readonly thinking?: boolean;
  /** The beginning of the answer, put behind everything else as it is. */
  readonly assistantPrefix?: string;
  /** What the template reads besides: `date_string`, `enable_thinking` … */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/**
 * One message of a chat as tokens: those that have something of its content, spaces around it aside. Both positions are
 * left out where the template changed or dropped the content. An open turn goes on with what is said next.
 */
export interface ChatTurn {
  /** Whose it is, as the message says. */
  readonly role: string;
  /** The first token's position. */
  readonly start?: number;
  /** The position after the last. */
  readonly end?: number;
  /** The assistant's last turn, which is not over. */
  readonly isOpen?: boolean;
}

/** A chat in the model's own form. */
export interface ChatPrompt {
  /** What the template wrote, special tokens included. */
  readonly text: string;
  /** Its ids, with a BOS token only if the template writes one. */
  readonly tokens: number[];
  /** Its messages in order, and what the assistant begins to say; looked for when it is first asked for. */
  readonly turns: readonly ChatTurn[];
}

/** A model's chat template, and the special tokens that it writes. */
export interface ChatTemplate {
  /** The file that it is in. */
  readonly file: string;
  /** Jinja. */
  readonly template: string;
  /** `bos_token` and the like. */
  readonly specialTokens: Readonly<Record<string, string>>;
}

/** What `chat.ts` exports; its own type would make its package a part of every program. */
export interface ChatModule {
  readChatTemplate(name: string, source: FileSource, tokenizer: ModelTokenizer): Promise<ChatTemplate>;
  writeChat(
    template: ChatTemplate,
    messages: readonly ChatMessage[],
    options: ChatOptions,
    tokenizer: ModelTokenizer,
  ): ChatPrompt;
}
