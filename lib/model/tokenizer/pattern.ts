/**
 * The patterns of parts: `{ "String": … }` and `{ "Regex": … }`.
 *
 * @module
 */
import { excerpt } from "../../quote.ts";
import type { Part } from "./part.ts";
import { type Finder, textFinder } from "./piece.ts";
import { Regex } from "./regex/regex.ts";

/** What finds a part's pattern, and whether it may find nothing at all between two characters. */
export function readPattern(part: Part): { readonly find: Finder; readonly canBeEmpty: boolean } {
  const { text, isRegex } = part.pattern("pattern");
  if (!isRegex && text !== "") return { find: textFinder(text), canBeEmpty: false };
  try {
    const regex = new Regex(text);
    return { find: (inside) => regex.find(inside), canBeEmpty: regex.canBeEmpty };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw part.refused(`has a pattern that is not known here: it ${excerpt(reason)}`);
  }
}
