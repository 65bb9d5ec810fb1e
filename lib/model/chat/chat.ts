/**
 * Chats as the text that a model was trained on: the chat template that comes with its tokenizer. Imported only when a
 * chat is to be written.
 *
 * @module
 */
import type { FileSource } from "../../weights/files/file_source.ts";
import type { ChatMessage, ChatOptions, ChatPrompt, ChatTemplate, ChatTurn } from "./chat_types.ts";
import type { ModelTokenizer } from "../tokenizer.ts";
import { type BoundedTemplate, readTemplate, renderTemplate } from "./bounded_template.ts";
import { chatTurns } from "./turns.ts";
import { type ChatTemplates, parseTokenizerConfig } from "../tokenizer/tokenizer_files.ts";

/** Where newer models have their template; it goes over what `tokenizer_config.json` says, as in transformers. */
const TEMPLATE_FILE = "chat_template.jinja";
const CONFIG_FILE = "tokenizer_config.json";
const MAX_TEMPLATE_BYTES = 2 ** 20;

/**
 * Finds a model's chat template. Of several, the one called `default` is taken.
 *
 * @param tokenizer gives BOS and EOS their texts where `tokenizer_config.json` does not say
 * @throws {TypeError} if the model has none
 * @throws {SyntaxError} if a file is malformed
 */
export async function readChatTemplate(
  name: string,
  source: FileSource,
  tokenizer: ModelTokenizer,
): Promise<ChatTemplate> {
  const [own, hasConfig] = await Promise.all(
    [TEMPLATE_FILE, CONFIG_FILE].map(async (file) => await source.size(file) !== undefined),
  );
  const config = parseTokenizerConfig(hasConfig ? await source.readText(CONFIG_FILE) : "{}");
  const template = own ? await source.readText(TEMPLATE_FILE, MAX_TEMPLATE_BYTES) : defaultOf(config.chatTemplates);
  if (template === undefined) {
    throw new TypeError(
      `${name} has no chat template (${TEMPLATE_FILE}, or chat_template in ${CONFIG_FILE}): ` +
        "it is not made for chats, give it plain text",
    );
  }
  const texts = Object.entries(config.templateTokens);
  if (config.specialTokens.bos_token === undefined && tokenizer.bosId !== undefined) {
    texts.unshift(["bos_token", tokenizer.tokenText(tokenizer.bosId)]);
  }
  return { file: own ? TEMPLATE_FILE : CONFIG_FILE, template, specialTokens: Object.fromEntries(texts) };
}

function defaultOf(templates: ChatTemplates): string | undefined {
  if (typeof templates === "string" || templates === undefined) return templates;
  const names = Object.keys(templates);
  if (names.length === 0) return undefined;
  if (Object.hasOwn(templates, "default")) return templates.default;
  throw new RangeError(
    `${CONFIG_FILE} has chat templates by name (${
      names.join(", ")
    }), and none is called "default": give the text itself`,
  );
}

/**
 * A chat as tokens, and where in them its messages are.
 *
 * @throws {RangeError} if the template refuses the messages
 */
export function writeChat(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatOptions,
  tokenizer: ModelTokenizer,
): ChatPrompt {
  const render = (messages: readonly ChatMessage[]): string => renderChat(template, messages, options);
  const text = render(messages);
  const tokens = tokenizer.encode(text);
  let turns: readonly ChatTurn[] | undefined;
  return {
    text,
    tokens,
    get turns(): readonly ChatTurn[] { // most do not ask: it takes another rendering, and every token's text
      return turns ??= chatTurns(render, messages, options, { text, tokens }, tokenizer);
    },
  };
}

/**
 * The text of a chat, as transformers' `apply_chat_template` renders it, and `assistantPrefix` after it.
 *
 * @throws {RangeError} if the template refuses the messages (a system message, two of one role in a row), or does not end
 * within bounds
 * @throws {SyntaxError} if the template cannot be read
 */
export function renderChat(
  { file, template, specialTokens }: ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): string {
  const { continueFinalMessage = false, addGenerationPrompt = !continueFinalMessage, tools = null } = options;
  const { assistantPrefix = "", variables = {} } = options;
  if (continueFinalMessage && addGenerationPrompt) {
    throw new RangeError("A chat goes on with its last message or begins another: leave out `addGenerationPrompt`");
  }
  let read: BoundedTemplate;
  try {
    read = readTemplate(template);
  } catch (error) {
    throw new SyntaxError(`Cannot read the chat template in ${file}: ${firstLine(error)}`, { cause: error });
  }
  const given = {
    tools, // transformers' names for what a chat may have besides
    documents: null,
    ...specialTokens,
    ...thinkingVariables(options, file, template),
    ...variables,
    messages: (continueFinalMessage ? withMark(messages) : messages).map(withReasoning),
    add_generation_prompt: addGenerationPrompt,
  };
  let text: string;
  try {
    text = renderTemplate(read, given);
  } catch (error) {
    throw new RangeError(`The chat template in ${file} does not take this chat: ${firstLine(error)}`, { cause: error });
  }
  return (continueFinalMessage ? beforeMark(text, file) : text) + assistantPrefix;
}

/** The names by which templates know whether the model thinks. @throws {RangeError} if this one knows neither */
function thinkingVariables(
  { thinking }: ChatOptions,
  file: string,
  template: string,
): Readonly<Record<string, unknown>> {
  if (thinking === undefined) return {};
  const names = ["enable_thinking", "thinking"].filter((name) => new RegExp(`\\b${name}\\b`).test(template));
  if (names.length > 0) return Object.fromEntries(names.map((name) => [name, thinking]));
  throw new RangeError(
    `The chat template in ${file} reads neither enable_thinking nor thinking: leave out \`thinking\``,
  );
}

/** Reasoning by the names that templates read, as transformers has them. */
function withReasoning(message: ChatMessage): ChatMessage {
  const reasoning = message.reasoning_content ?? message.reasoning ?? message.thinking;
  return reasoning === undefined || reasoning === null
    ? message
    : { thinking: reasoning, ...message, reasoning_content: reasoning };
}

/** Stands at the end of the message that is gone on with: transformers' own. */
const MARK = "CONTINUE_FINAL_MESSAGE_TAG ";

/** @throws {RangeError} if the last message has no text */
function withMark(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const last = messages[messages.length - 1];
  const content = last?.content;
  if (typeof content === "string") return [...messages.slice(0, -1), { ...last, content: content + MARK }];
  const at = Array.isArray(content) ? content.findLastIndex((part) => typeof part?.text === "string") : -1;
  if (at < 0) throw new RangeError("The last message has no text to go on with: give it some content");
  const parts = (content as readonly { text: string }[]).map((part, i) =>
    i === at ? { ...part, text: part.text + MARK } : part
  );
  return [...messages.slice(0, -1), { ...last, content: parts }];
}

/** Without the space that a template may have trimmed off the mark, spaces before it are gone too. */
function beforeMark(text: string, file: string): string {
  const at = text.lastIndexOf(MARK.trim());
  if (at < 0) throw new RangeError(`The chat template in ${file} leaves out the text of the last message`);
  return text.startsWith(MARK, at) ? text.slice(0, at) : text.slice(0, at).trimEnd();
}

/** What is wrong, in a line; of what a template itself says (`raise_exception`), no more than a hundred characters. */
function firstLine(error: unknown): string {
  const [line] = (error instanceof Error ? error.message : String(error)).trim().split(/[\r\n]/, 1);
  return error instanceof RangeError || line.length <= 100 ? line : `${line.slice(0, 100)}…`;
}
