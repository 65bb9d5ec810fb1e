/**
 * What Metaspace says as a pre-tokenizer and as a decoder.
 *
 * @module
 */
import type { Part } from "./part.ts";

/** The mark that stands for a space, and where it is put in front of a text. */
export function readMetaspace(part: Part): { readonly mark: string; readonly scheme: "first" | "never" | "always" } {
  part.ignore("str_rep");
  const mark = part.character("replacement");
  const scheme = part.choice("prepend_scheme", ["first", "never", "always"], "always");
  if (part.value("add_prefix_space") === false && scheme !== "never") {
    throw part.refused(`has add_prefix_space false and prepend_scheme ${scheme}`);
  }
  return { mark, scheme };
}
