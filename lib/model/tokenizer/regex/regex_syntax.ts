/**
 * Reads the patterns of a `tokenizer.json`. They are Oniguruma's (Ruby syntax): what is read here means the same here, and
 * everything else is refused by its name.
 *
 * @module
 */
import { CharacterSet, WHITE_SPACE } from "./character_set.ts";

/** Part of a pattern. */
export type RegexNode =
  | { readonly kind: "set"; readonly set: CharacterSet }
  | { readonly kind: "sequence"; readonly items: readonly RegexNode[] }
  | { readonly kind: "either"; readonly options: readonly RegexNode[] }
  | Repeat
  | { readonly kind: "atomic"; readonly body: RegexNode }
  | { readonly kind: "look"; readonly body: RegexNode; readonly isBehind: boolean; readonly isNegative: boolean }
  | { readonly kind: "anchor"; readonly anchor: Anchor };

/** A repetition; the most may be Infinity. */
export interface Repeat {
  readonly kind: "repeat";
  readonly body: RegexNode;
  readonly least: number;
  readonly most: number;
  readonly mode: "greedy" | "lazy" | "possessive";
}

/** A place between characters. */
export type Anchor = "line start" | "line end" | "text start" | "text end" | "last line end" | "boundary" | "inside";

/** Patterns in use have up to 400 characters. */
const MAX_PATTERN = 10_000;
const MAX_DEPTH = 50;
const MAX_REPEAT = 1000;

/** `\w` of Oniguruma in a class; alone it takes six more characters of Latin-1: ², ³, ¹, ¼, ½ and ¾. */
const WORD_IN_CLASS = "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]";
export const WORD = `[${WORD_IN_CLASS}\\u00b2\\u00b3\\u00b9\\u00bc-\\u00be]`;
const CLASSES: Readonly<Record<string, string>> = {
  d: "\\p{Nd}",
  D: "\\P{Nd}",
  s: WHITE_SPACE,
  S: "\\P{White_Space}",
  w: WORD_IN_CLASS,
  W: `[^${WORD_IN_CLASS}]`,
  h: "[0-9a-fA-F]",
  H: "[^0-9a-fA-F]",
};
const CONTROLS: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  f: "\f",
  v: "\v",
  a: "\x07",
  e: "\x1b",
};
const ANCHORS: Readonly<Record<string, Anchor>> = {
  A: "text start",
  z: "text end",
  Z: "last line end",
  b: "boundary",
  B: "inside",
};
const CATEGORIES =
  /^(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfon]?|Letter|Mark|Number|Punctuation|Symbol|Separator|Other)$/;
const SCRIPTS = new Set([
  ...["Arabic", "Armenian", "Bengali", "Cyrillic", "Devanagari", "Ethiopic", "Georgian", "Greek", "Gujarati"],
  ...["Gurmukhi", "Han", "Hangul", "Hebrew", "Hiragana", "Kannada", "Katakana", "Khmer", "Lao", "Latin"],
  ...["Malayalam", "Mongolian", "Myanmar", "Oriya", "Sinhala", "Tamil", "Telugu", "Thai", "Tibetan"],
]);
const NAMED: Readonly<Record<string, string>> = {
  Alpha: "\\p{Alphabetic}",
  Alphabetic: "\\p{Alphabetic}",
  Punct: "\\p{P}",
  Space: WHITE_SPACE,
  White_Space: WHITE_SPACE,
  Emoji: "\\p{Emoji}",
};
const POSIX: Readonly<Record<string, string>> = {
  alpha: "\\p{Alphabetic}",
  digit: "\\p{Nd}",
  alnum: "[\\p{Alphabetic}\\p{Nd}]",
  space: WHITE_SPACE,
  punct: "[\\p{P}\\p{S}]",
  word: WORD_IN_CLASS,
  xdigit: "[0-9a-fA-F]",
};
/** Of these letters one after another Oniguruma makes single characters when it ignores case: ß, ﬁ, ﬆ and others. */
const LIGATURES = /ss|f[fil]|st|[hijtwy][\u0300-\u036f]|a\u02be/i;

interface Flags {
  readonly ignoreCase: boolean;
  readonly dotAll: boolean;
}

/** The tree of a pattern. Throws an Error that says what is not known here. */
export function parseRegex(source: string): RegexNode {
  if (source.length > MAX_PATTERN) throw new Error(`has ${source.length} characters (at most ${MAX_PATTERN})`);
  return new Parser(source).all();
}

class Parser {
  readonly #source: string;
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
  }

  all(): RegexNode {
    const node = this.#either({ ignoreCase: false, dotAll: false });
    if (this.#at < this.#source.length) throw new Error("has a ) too many");
    return node;
  }

  #peek(): string {
    return this.#source[this.#at] ?? "";
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** What fits at this place. */
  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source);
    if (found) this.#at = pattern.lastIndex;
    return found;
  }

  /** The next character. */
  #character(): string {
    const character = String.fromCodePoint(this.#source.codePointAt(this.#at) ?? 0);
    if (this.#at >= this.#source.length) throw new Error("ends too early");
    this.#at += character.length;
    return character;
  }

  #either(flags: Flags): RegexNode {
    if (++this.#depth > MAX_DEPTH) throw new Error(`is nested more than ${MAX_DEPTH} deep`);
    const options = [this.#sequence(flags)];
    while (this.#take("|")) options.push(this.#sequence(flags));
    this.#depth--;
    return options.length === 1 ? options[0] : { kind: "either", options };
  }

  #sequence(flags: Flags): RegexNode {
    const items: RegexNode[] = [];
    let letters = ""; // in a row, for what is one character when case is ignored
    while (this.#at < this.#source.length && this.#peek() !== "|" && this.#peek() !== ")") {
      const start = this.#at;
      const atom = this.#atom(flags);
      const text = this.#source.slice(start, this.#at);
      letters += atom.kind === "set" && !text.startsWith("[") ? text : " ";
      items.push(this.#repeated(atom));
    }
    if (flags.ignoreCase && LIGATURES.test(letters)) throw new Error(`ignores the case of ${JSON.stringify(letters)}`);
    return items.length === 1 ? items[0] : { kind: "sequence", items };
  }

  #repeated(body: RegexNode): RegexNode {
    const range = this.#match(/([*+?])|\{(\d*)(,?)(\d*)\}/y);
    if (!range || range[0] === "{}" || range[0] === "{,}") {
      if (range) throw new Error(`has ${range[0]}`);
      return body;
    }
    const [whole, sign, low, comma, high] = range;
    const least = sign ? (sign === "+" ? 1 : 0) : Number(low || 0);
    const most = sign ? (sign === "?" ? 1 : Infinity) : high !== "" ? Number(high) : comma ? Infinity : least;
    if (least > most || least > MAX_REPEAT || (most > MAX_REPEAT && most !== Infinity)) throw new Error(`has ${whole}`);
    const mode = this.#take("?") ? "lazy" : this.#peek() === "+" && sign && this.#take("+") ? "possessive" : "greedy";
    if ((mode === "lazy" && !sign && !comma) || this.#match(/[*+?]|\{\d*,?\d*\}/y)) {
      throw new Error(`repeats a repetition (${this.#source.slice(this.#at - whole.length - 1, this.#at)})`);
    }
    if (body.kind === "anchor" || body.kind === "look") throw new Error("repeats a place between characters");
    return { kind: "repeat", body, least, most, mode };
  }

  #atom(flags: Flags): RegexNode {
    if (this.#take("(")) return this.#group(flags);
    if (this.#take("^")) return { kind: "anchor", anchor: "line start" };
    if (this.#take("$")) return { kind: "anchor", anchor: "line end" };
    if (this.#take(".")) return set(flags.dotAll ? "[\\s\\S]" : "[^\\n]", false);
    if (this.#peek() === "[") return this.#bracket(flags);
    if (/[*+?]/.test(this.#peek())) throw new Error(`repeats nothing (${this.#peek()})`);
    if (this.#peek() === "\\") {
      const name = this.#source[this.#at + 1] ?? "";
      if (Object.hasOwn(ANCHORS, name)) {
        this.#at += 2;
        return { kind: "anchor", anchor: ANCHORS[name] };
      }
      if (flags.ignoreCase && /[pPxu]/.test(name)) throw new Error(`ignores the case of \\${name}`);
      const { source } = this.#escape();
      if (name === "w" || name === "W") return set(name === "w" ? WORD : `[^${WORD}]`, false);
      return set(source, flags.ignoreCase);
    }
    const character = this.#character();
    if (flags.ignoreCase && character > "\x7f") throw new Error(`ignores the case of ${character}`);
    return set(escaped(character), flags.ignoreCase);
  }

  #group(flags: Flags): RegexNode {
    if (!this.#take("?")) return this.#closed(flags);
    const isBehind = this.#take("<");
    if (this.#take("=")) return { kind: "look", body: this.#closed(flags), isBehind, isNegative: false };
    if (this.#take("!")) return { kind: "look", body: this.#closed(flags), isBehind, isNegative: true };
    if (!isBehind && this.#take(">")) return { kind: "atomic", body: this.#closed(flags) };
    const start = this.#at;
    const option = isBehind ? null : this.#match(/([im]*)(?:-([im]*))?([:)])/y);
    if (!option) throw new Error(`has the group (?${isBehind ? "<" : ""}${this.#peek()}`);
    const [, on, off = "", end] = option;
    const changed = {
      ignoreCase: !off.includes("i") && (on.includes("i") || flags.ignoreCase),
      dotAll: !off.includes("m") && (on.includes("m") || flags.dotAll),
    };
    if (end === ":") return this.#closed(changed);
    if (start !== 2) throw new Error(`has (?${on}) after its beginning`);
    return this.#either(changed);
  }

  #closed(flags: Flags): RegexNode {
    const node = this.#either(flags);
    if (!this.#take(")")) throw new Error("has a ( too many");
    return node;
  }

  /** `\…` as JavaScript writes it in a class. */
  #escape(): { source: string; isClass: boolean } {
    this.#at++;
    const property = this.#match(/([pP])\{(\^?)(\w+)\}/y);
    if (property) {
      const [whole, letter, not, name] = property;
      const source = propertySource(name);
      if (source === undefined) throw new Error(`has \\${whole}`);
      return { source: (letter === "P") !== (not !== "") ? `[^${source}]` : source, isClass: true };
    }
    const code = this.#match(/x\{([0-9a-fA-F]{1,8})\}|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})/y);
    if (code) {
      const point = parseInt(code[1] ?? code[2] ?? code[3], 16);
      if (point > 0x10ffff || (code[2] && point > 0x7f)) throw new Error(`has \\${code[0]}`);
      return { source: escaped(String.fromCodePoint(point)), isClass: false };
    }
    const character = this.#character();
    if (Object.hasOwn(CLASSES, character)) return { source: CLASSES[character], isClass: true };
    if (Object.hasOwn(CONTROLS, character)) return { source: escaped(CONTROLS[character]), isClass: false };
    if (/[0-9A-Za-z]/.test(character)) throw new Error(`has \\${character}`);
    return { source: escaped(character), isClass: false };
  }

  #bracket(flags: Flags): RegexNode {
    const start = this.#at;
    const source = this.#class();
    const text = this.#source.slice(start, this.#at);
    if (flags.ignoreCase && !/^\[[\w'-]*\]$/.test(text)) throw new Error(`ignores the case of ${text.slice(0, 40)}`);
    return set(source, flags.ignoreCase);
  }

  /** `[…]` as JavaScript writes it. */
  #class(): string {
    if (++this.#depth > MAX_DEPTH) throw new Error(`is nested more than ${MAX_DEPTH} deep`);
    this.#at++;
    const isNegative = this.#take("^");
    const operands: string[] = [];
    let items = "";
    for (let isFirst = true; !this.#take("]"); isFirst = false) {
      if (this.#take("&&")) {
        operands.push(`[${items}]`);
        items = "";
      } else items += this.#classItem(isFirst);
    }
    if (operands.some((one) => one === "[]") || items === "") throw new Error("has an empty class");
    this.#depth--;
    const content = operands.length === 0 ? items : [...operands, `[${items}]`].join("&&");
    return `[${isNegative ? "^" : ""}${content}]`;
  }

  #classItem(isFirst: boolean): string {
    if (this.#peek() === "]" && isFirst) throw new Error("has a ] at the start of a class");
    const posix = this.#match(/\[:(\^?)(\w+):\]/y);
    if (posix) {
      if (!Object.hasOwn(POSIX, posix[2])) throw new Error(`has ${posix[0]}`);
      return posix[1] ? `[^${POSIX[posix[2]]}]` : POSIX[posix[2]];
    }
    if (this.#peek() === "[") return this.#class();
    const low = this.#classCharacter();
    const isRange = this.#peek() === "-" && !["]", ""].includes(this.#source[this.#at + 1] ?? "");
    if (low.isClass) {
      if (isRange) throw new Error("has a range that starts with a class");
      return low.source;
    }
    if (!isRange) return low.source;
    if (low.isDash) throw new Error("has a - that may be a range");
    this.#at++;
    if (this.#peek() === "[" || this.#source.startsWith("&&", this.#at)) throw new Error("has a - that may be a range");
    const high = this.#classCharacter();
    if (high.isClass) throw new Error("has a range that ends with a class");
    if (this.#peek() === "-" && this.#source[this.#at + 1] !== "]") throw new Error("has a - that may be a range");
    return `${low.source}-${high.source}`;
  }

  #classCharacter(): { source: string; isClass: boolean; isDash: boolean } {
    if (this.#peek() === "\\") return { ...this.#escape(), isDash: false };
    const character = this.#character();
    return { source: escaped(character), isClass: false, isDash: character === "-" };
  }
}

function set(source: string, ignoreCase: boolean): RegexNode {
  return { kind: "set", set: new CharacterSet(source, ignoreCase) };
}

/** A character as it may stand anywhere in a JavaScript pattern. */
function escaped(character: string): string {
  return /[0-9A-Za-z]/.test(character) ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

function propertySource(name: string): string | undefined {
  if (Object.hasOwn(NAMED, name)) return NAMED[name];
  if (CATEGORIES.test(name)) return `\\p{${name}}`;
  return SCRIPTS.has(name) ? `\\p{Script=${name}}` : undefined;
}
