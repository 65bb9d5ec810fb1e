/**
 * Finds what a pattern fits, as Oniguruma does: the first option that fits counts, and work is bounded.
 *
 * @module
 */
import { Budget, tooMuch } from "./budget.ts";
import { type CharacterSet, characterSet } from "./character_set.ts";
import { type Anchor, parseRegex, type RegexNode, type Repeat, WORD } from "./regex_syntax.ts";

/** Where what comes next ends if it starts there; −1 if it does not fit. */
type Matcher = (at: number) => number;

/** Counted repetitions of groups are written out. */
const MAX_MATCHERS = 20_000;

/** A pattern. */
export class Regex {
  /** It may fit between two characters. */
  readonly canBeEmpty: boolean;
  readonly #budget = new Budget();
  readonly #match: Matcher;
  #text = "";
  #matchers = 0;

  /** Throws an Error that says what is not known here. */
  constructor(source: string) {
    const tree = parseRegex(source);
    this.canBeEmpty = isNullable(tree);
    this.#match = this.#compile(tree, (at) => at);
  }

  /** Starts and ends, one after another, of all that it fits. */
  find(text: string): number[] {
    this.#text = text;
    this.#budget.start(text.length);
    try {
      return this.#findAll(text);
    } catch (error) {
      // Every round of a repeated group takes a part of the stack.
      throw error instanceof RangeError && /call stack/.test(error.message) ? tooMuch() : error;
    }
  }

  #findAll(text: string): number[] {
    const found: number[] = [];
    let last = -1;
    for (let at = 0; at <= text.length;) {
      const end = this.#match(at);
      if (end > at || (end === at && at !== last)) {
        found.push(at, end);
        last = end;
      }
      at = end > at ? end : next(text, at);
    }
    return found;
  }

  #compile(node: RegexNode, after: Matcher): Matcher {
    if (++this.#matchers > MAX_MATCHERS) throw new Error("repeats too much");
    switch (node.kind) {
      case "set":
        return (at) => this.#fits(node.set, at) ? after(next(this.#text, at)) : -1;
      case "sequence":
        return node.items.reduceRight((rest, item) => this.#compile(item, rest), after);
      case "either":
        return this.#either(node.options.map((option) => this.#compile(option, after)));
      case "atomic": {
        const body = this.#compile(node.body, (at) => at);
        return (at) => {
          const end = body(at);
          return end < 0 ? -1 : after(end);
        };
      }
      case "look":
        return this.#look(node.body, node.isBehind, node.isNegative, after);
      case "anchor":
        return (at) => this.#isAt(node.anchor, at) ? after(at) : -1;
      case "repeat":
        return node.body.kind === "set" ? this.#run(node, node.body.set, after) : this.#group(node, after);
    }
  }

  #fits(set: CharacterSet, at: number): boolean {
    this.#budget.spend(1);
    return at < this.#text.length && set.has(this.#text.codePointAt(at)!);
  }

  #either(options: readonly Matcher[]): Matcher {
    return (at) => {
      for (const option of options) {
        const end = option(at);
        if (end >= 0) return end;
      }
      return -1;
    };
  }

  /** A repeated character. */
  #run({ least, most, mode }: Repeat, set: CharacterSet, after: Matcher): Matcher {
    const isLazy = mode === "lazy";
    return (start) => {
      let at = start;
      let count = 0;
      const last = isLazy ? least : most;
      while (count < last && this.#fits(set, at)) {
        at = next(this.#text, at);
        count++;
      }
      if (count < least) return -1;
      if (mode === "possessive") return after(at);
      for (;;) {
        const end = after(at);
        if (end >= 0) return end;
        this.#budget.spend(1);
        if (isLazy) {
          if (count === most || !this.#fits(set, at)) return -1;
          at = next(this.#text, at);
          count++;
        } else {
          if (count === least) return -1;
          at = previous(this.#text, at);
          count--;
        }
      }
    };
  }

  /** A repeated group. */
  #group(node: Repeat, after: Matcher): Matcher {
    const { body, least, most, mode } = node;
    if (mode === "possessive") {
      return this.#compile({ kind: "atomic", body: { ...node, mode: "greedy" } }, after);
    }
    const either = (more: Matcher) => this.#either(mode === "lazy" ? [after, more] : [more, after]);
    let matcher = after;
    if (most === Infinity) {
      if (isNullable(body)) throw new Error("repeats a group that may be empty");
      const again: Matcher = either(this.#compile(body, (at) => again(at)));
      matcher = again;
    } else {
      for (let count = least; count < most; count++) {
        const rest = matcher;
        matcher = either(this.#compile(body, rest));
      }
    }
    for (let count = 0; count < least; count++) matcher = this.#compile(body, matcher);
    return matcher;
  }

  #look(body: RegexNode, isBehind: boolean, isNegative: boolean, after: Matcher): Matcher {
    const inside = this.#compile(body, (at) => at);
    const width = isBehind ? widthOf(body) : 0;
    if (width === undefined) throw new Error("looks behind for what has no fixed length");
    return (at) => {
      let start = at;
      for (let back = 0; back < width && start >= 0; back++) start = previous(this.#text, start);
      const isThere = start >= 0 && inside(start) >= 0;
      return isThere === isNegative ? -1 : after(at);
    };
  }

  #isAt(anchor: Anchor, at: number): boolean {
    this.#budget.spend(1);
    const text = this.#text;
    switch (anchor) {
      case "text start":
        return at === 0;
      case "text end":
        return at === text.length;
      case "line start":
        return at === 0 || (text[at - 1] === "\n" && at < text.length);
      case "line end":
        return at === text.length || text[at] === "\n";
      case "last line end":
        return at === text.length || (at === text.length - 1 && text[at] === "\n");
      default: {
        const word = characterSet(WORD);
        const before = at > 0 && this.#fits(word, previous(text, at));
        return (before !== this.#fits(word, at)) === (anchor === "boundary");
      }
    }
  }
}

/** Where the character after the one at a place starts. */
function next(text: string, at: number): number {
  return at + (text.codePointAt(at)! > 0xffff ? 2 : 1);
}

/** Where the character before a place starts. */
function previous(text: string, at: number): number {
  return at > 1 && text.codePointAt(at - 2)! > 0xffff ? at - 2 : at - 1;
}

function isNullable(node: RegexNode): boolean {
  switch (node.kind) {
    case "set":
      return false;
    case "sequence":
      return node.items.every(isNullable);
    case "either":
      return node.options.some(isNullable);
    case "repeat":
      return node.least === 0 || isNullable(node.body);
    case "atomic":
      return isNullable(node.body);
    default:
      return true;
  }
}

/** How many characters it takes, if it always takes as many. */
function widthOf(node: RegexNode): number | undefined {
  switch (node.kind) {
    case "set":
      return 1;
    case "sequence":
      return node.items.map(widthOf).reduce(
        (sum, width) => sum === undefined || width === undefined ? undefined : sum + width,
        0,
      );
    case "either": {
      const widths = node.options.map(widthOf);
      return widths.every((width) => width === widths[0]) ? widths[0] : undefined;
    }
    case "repeat": {
      const width = widthOf(node.body);
      return width === undefined || node.least !== node.most ? undefined : width * node.least;
    }
    case "atomic":
      return widthOf(node.body);
    default:
      return 0;
  }
}
