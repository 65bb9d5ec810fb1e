/**
 * Chats as the text that a model was trained on: the chat template that comes with its tokenizer. Imported only when a
 * chat is to be written.
 *
 * @module
 */
import type { FileSource } from "../../weights/files/file_source.ts";
import type { ChatMessage, ChatOptions, ChatTemplate } from "./chat_types.ts";
import type { ModelTokenizer } from "../tokenizer.ts";
import { type BoundedTemplate, readTemplate, renderTemplate } from "./bounded_template.ts";
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
 * The text of a chat, as transformers' `apply_chat_template` renders it, and `assistantPrefix` after it.
 *
 * @throws {RangeError} if the template refuses the messages (a system message, two of one role in a row), or does not end
 * within bounds
 * @throws {SyntaxError} if the template cannot be read
 */
export function renderChat(
  { file, template, specialTokens }: ChatTemplate,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = true, assistantPrefix = "", variables = {} }: ChatOptions = {},
): string {
  let read: BoundedTemplate;
  try {
    read = readTemplate(template);
  } catch (error) {
    throw new SyntaxError(`Cannot read the chat template in ${file}: ${firstLine(error)}`, { cause: error });
  }
  try {
    const text = renderTemplate(read, {
      tools: null, // transformers' names for what a chat may have besides
      documents: null,
      ...specialTokens,
      ...variables,
      messages,
      add_generation_prompt: addGenerationPrompt,
    });
    return text + assistantPrefix;
  } catch (error) {
    throw new RangeError(`The chat template in ${file} does not take this chat: ${firstLine(error)}`, { cause: error });
  }
}

/** What is wrong, in a line; of what a template itself says (`raise_exception`), no more than a hundred characters. */
function firstLine(error: unknown): string {
  const [line] = (error instanceof Error ? error.message : String(error)).trim().split(/[\r\n]/, 1);
  return error instanceof RangeError || line.length <= 100 ? line : `${line.slice(0, 100)}…`;
}
