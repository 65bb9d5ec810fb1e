/**
 * Text that is safe to print in a terminal and as wide as it seems, and bars.
 *
 * @module
 */

/** Control, format (bidirectional marks, joiners) and lone surrogate characters, and spaces that are not the space. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const NAMED_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Characters that take two columns: East Asian scripts and full-width forms, and emoji drawn as pictures. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\u3001-\u303e\uff01-\uff60\uffe0-\uffe6\p{Emoji_Presentation}]/u;
const COMBINING = /[\p{Mn}\p{Me}]/u;

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0)!;
  const hex = code.toString(16);
  return NAMED_ESCAPES[character] ?? (code < 256 ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`);
}

/** A text as one line in which nothing is obeyed or hidden: such characters are escaped (`\n`, `\x1b`, `\u{202e}`). */
export function escaped(text: string): string {
  return text.replace(UNPRINTABLE, escapeCharacter);
}

/** The same, and spaces at the ends are drawn as `·`, because " golf" and "golf" are different tokens. */
export function printable(text: string): string {
  return escaped(text.replace(/^ +| +$/g, (spaces) => "·".repeat(spaces.length)));
}

/** What is text among the characters that {@linkcode printable} escapes: ends of lines, tabs, joiners, and other spaces. */
const OF_TEXT = /[\n\t\u200c\u200d\p{Zs}]/u;

/** A text of several lines that a terminal only shows: control characters and bidirectional marks are escaped. */
export function printableLines(text: string): string {
  return text.replace(UNPRINTABLE, (character) => OF_TEXT.test(character) ? character : escapeCharacter(character));
}

/** How many terminal columns a printable text takes. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** A printable text cut to at most `width` columns, with `…` where something is missing. */
export function cutToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let cut = "";
  let used = 1; // of "…"
  for (const character of text) {
    used += characterWidth(character);
    if (used > width) break;
    cut += character;
  }
  return width < 1 ? "" : `${cut}…`;
}

function characterWidth(character: string): number {
  if (COMBINING.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/**
 * Draws a signed value as a bar on both sides of a zero line, in half-character steps: negative ones grow to the left.
 * A value that is not zero shows at least a half step. Without negative values (`signed` false) the bar has one side.
 */
export function drawBar(value: number, scale: { largest: number; width: number; signed: boolean }): string {
  const side = scale.signed ? Math.floor((scale.width - 1) / 2) : scale.width - 1;
  const share = Number.isNaN(value) || scale.largest === 0 ? 0 : Math.min(1, Math.abs(value) / scale.largest);
  const halves = share === 0 ? 0 : Math.max(1, Math.round(share * 2 * side));
  const full = "█".repeat(halves >> 1);
  const half = halves % 2 === 1;
  const left = value < 0 ? (half ? "▐" : "") + full : "";
  const right = value > 0 ? full + (half ? "▌" : "") : "";
  return (scale.signed ? left.padStart(side) : "") + "│" + right.padEnd(side);
}
