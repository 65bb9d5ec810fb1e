/**
 * Where in a chat's tokens the contents of its messages are.
 *
 * Templates add to contents, trim them, reorder them and leave some out. Where each came to stand is seen by writing the
 * chat once more with a sign before and behind every content, spaces around it aside. Where that is not the same text but
 * for the signs, the template looked at a content's ends, and nothing is said.
 *
 * @module
 */
import type { ModelTokenizer } from "../tokenizer.ts";
import type { ChatMessage, ChatOptions, ChatTurn } from "./chat_types.ts";

/** Characters of private use: `FIRST`, the number of the message, `FIRST` + 1 before it and `FIRST` + 2 behind. */
const FIRST = 0xe000;
const LAST = 0xf8ff;
/** The most tokens that one character takes. */
const PARTS_OF_CHARACTER = 8;

/** Of a text from one character to before another. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The turns of a chat: its messages in order, and what the assistant begins to say.
 *
 * @param text what `render` writes of `messages`, without signs
 * @param tokens its ids
 */
export function chatTurns(
  render: (messages: readonly ChatMessage[]) => string,
  messages: readonly ChatMessage[],
  { continueFinalMessage = false, addGenerationPrompt = !continueFinalMessage, assistantPrefix = "" }: ChatOptions,
  { text, tokens }: { readonly text: string; readonly tokens: readonly number[] },
  tokenizer: Pick<ModelTokenizer, "decode">,
): ChatTurn[] {
  const spans = tokenSpans(text.toWellFormed(), tokens, tokenizer);
  const found = contentSpans(render, messages, text);
  const turns = messages.map(({ role }, i): ChatTurn => {
    const isOpen = continueFinalMessage && i === messages.length - 1;
    const span = found?.get(i);
    if (span === undefined || spans === undefined) return { role, ...(isOpen ? { isOpen } : {}) };
    if (isOpen) return { role, ...tokensIn(spans, { ...span, end: text.length }), isOpen };
    return { role, ...tokensIn(spans, span) };
  });
  if (continueFinalMessage || !addGenerationPrompt) return turns;
  const answer = { start: text.length - assistantPrefix.length, end: text.length };
  return [...turns, { role: "assistant", ...(spans === undefined ? {} : tokensIn(spans, answer)), isOpen: true }];
}

/** The tokens that have something of a text's part: all of its characters are in them. */
function tokensIn(spans: readonly Span[], { start, end }: Span): Span {
  const first = firstOf(spans, (span) => span.end > start);
  return { start: first, end: start === end ? first : firstOf(spans, (span) => span.start >= end) };
}

/** The first of which it is true, as of all after it; else how many there are. */
function firstOf(spans: readonly Span[], isTrue: (span: Span) => boolean): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isTrue(spans[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** By message, its content in the text; undefined where signs change the text. A content that is left out has no entry. */
function contentSpans(
  render: (messages: readonly ChatMessage[]) => string,
  messages: readonly ChatMessage[],
  text: string,
): Map<number, Span> | undefined {
  const all = JSON.stringify(messages) + text;
  let code = FIRST;
  while (code + 2 < LAST && [0, 1, 2].some((i) => all.includes(String.fromCharCode(code + i)))) code += 3;
  const [begin, before, behind] = [0, 1, 2].map((i) => String.fromCharCode(code + i));
  const marked = messages.map((message, i) => withSigns(message, `${begin}${i}${before}`, `${begin}${i}${behind}`));
  let written: string;
  try {
    written = render(marked);
  } catch {
    return undefined; // a template that takes a content only as it is
  }
  const starts = new Map<number, number>();
  const found = new Map<number, Span>();
  let plain = "";
  let from = 0;
  for (const sign of written.matchAll(new RegExp(`${begin}(\\d+)([${before}${behind}])`, "g"))) {
    plain += written.slice(from, sign.index);
    from = sign.index + sign[0].length;
    const message = Number(sign[1]);
    const start = starts.get(message);
    if (sign[2] === before) starts.set(message, start ?? plain.length);
    else if (start !== undefined && !found.has(message)) found.set(message, { start, end: plain.length });
  }
  return plain + written.slice(from) === text ? found : undefined;
}

/** Of parts, from the first text to the last. */
function withSigns(message: ChatMessage, before: string, behind: string): ChatMessage {
  const { content } = message;
  if (typeof content === "string") return { ...message, content: signed(content, before, behind) };
  if (!Array.isArray(content)) return message;
  const texts = [...content.keys()].filter((i) =>
    typeof content[i]?.text === "string" && content[i].text.trim() !== ""
  );
  const [first, last] = [texts[0], texts[texts.length - 1]];
  const parts = content.map((part, i) =>
    i === first || i === last
      ? { ...part, text: signed(part.text, i === first ? before : "", i === last ? behind : "") }
      : part
  );
  return { ...message, content: parts };
}

/** What is nothing but spaces stays that. */
function signed(text: string, before: string, behind: string): string {
  return text.trim() === "" ? text : text.replace(text.trim(), (inner) => before + inner + behind);
}

/**
 * By token, the part of the text that it stands for; tokens that share a character all have it whole. Spaces may be in no
 * token: some special tokens take those beside them, and SentencePiece's first token is decoded without its own.
 *
 * @returns undefined where the tokens do not say the text, as behind a tokenizer that writes it in small letters
 */
export function tokenSpans(
  text: string,
  tokens: readonly number[],
  tokenizer: Pick<ModelTokenizer, "decode">,
): Span[] | undefined {
  const spans: Span[] = [];
  const alone = new Map<number, string>();
  const decode = (from: number, to: number): string => {
    if (to > from + 1) return tokenizer.decode(tokens.slice(from, to));
    const id = tokens[from];
    const said = alone.get(id) ?? tokenizer.decode([id]);
    alone.set(id, said);
    return said;
  };
  let at = 0;
  for (let from = 0; from < tokens.length;) {
    let found: Span | undefined;
    for (let to = from + 1; to <= Math.min(tokens.length, from + PARTS_OF_CHARACTER) && found === undefined; to++) {
      const said = decode(from, to);
      let start = at;
      while (!text.startsWith(said, start) && /\s/.test(text[start] ?? "")) start++;
      if (!text.startsWith(said, start)) continue;
      found = { start, end: start + said.length };
      for (; from < to; from++) spans.push(found);
    }
    if (found === undefined) return undefined;
    at = found.end;
  }
  return text.slice(at).trim() === "" ? spans : undefined;
}
