/**
 * Decoders: how tokens become text again, as tokenizers 0.23.3 does it.
 *
 * @module
 */
import { tokenBytes } from "./token_bytes.ts";
import { type Part, readMetaspace, readPattern } from "./part.ts";

/** Makes texts of texts; joined they are the decoded text. */
export type Decoder = (tokens: readonly string[]) => string[];

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/** The decoder of a part. */
export function createDecoder(part: Part): Decoder {
  const made = ofType(part);
  part.done();
  return made;
}

function ofType(part: Part): Decoder {
  switch (part.type) {
    case "Sequence": {
      const all = part.parts("decoders").map(createDecoder);
      return (tokens) => all.reduce((texts, decode) => decode(texts), [...tokens]);
    }
    case "ByteLevel":
      part.ignore("add_prefix_space", "trim_offsets", "use_regex");
      return (tokens) => [decodeBytes(tokens)];
    case "ByteFallback":
      return byteFallback;
    case "Fuse":
      return (tokens) => [tokens.join("")];
    case "Replace":
      return readReplace(part);
    case "Strip":
      return readStrip(part);
    case "Metaspace":
      return metaspace(part);
    case "WordPiece":
      return readWordPiece(part);
    case "BPEDecoder": {
      const suffix = part.text("suffix");
      return (tokens) => tokens.map((token, i) => token.replaceAll(suffix, () => i === tokens.length - 1 ? "" : " "));
    }
    default:
      throw part.refused("is not known here");
  }
}

/** A token that is not written in the alphabet of bytes stands for its own. */
function decodeBytes(tokens: readonly string[]): string {
  const parts = tokens.map((token) => tokenBytes(token, "byte-level") ?? encoder.encode(token));
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return decoder.decode(bytes);
}

/** `<0xE2>` and the like; U+FFFD for each byte of what is no UTF-8. */
function byteFallback(tokens: readonly string[]): string[] {
  const made: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    try {
      made.push(strictDecoder.decode(Uint8Array.from(bytes)));
    } catch {
      made.push(...bytes.map(() => "\ufffd"));
    }
    bytes = [];
  };
  for (const token of tokens) {
    const byte = tokenBytes(token, "byte-fallback");
    if (byte) bytes.push(byte[0]);
    else {
      flush();
      made.push(token);
    }
  }
  flush();
  return made;
}

function readReplace(part: Part): Decoder {
  const { find } = readPattern(part);
  const content = part.text("content");
  return (tokens) =>
    tokens.map((token) => {
      if (token === "") return "";
      const found = find(token);
      let [made, from] = ["", 0];
      for (let i = 0; i < found.length; i += 2) {
        made += token.slice(from, found[i]) + content;
        from = found[i + 1];
      }
      return made + token.slice(from);
    });
}

function readStrip(part: Part): Decoder {
  const content = part.character("content");
  const [start, stop] = [part.count("start", 1_000_000_000), part.count("stop", 1_000_000_000)];
  return (tokens) =>
    tokens.map((token) => {
      let [from, to] = [0, token.length];
      for (let i = 0; i < start && token.startsWith(content, from); i++) from += content.length;
      for (let i = 0; i < stop && to > from && token.slice(0, to).endsWith(content); i++) to -= content.length;
      return token.slice(from, to);
    });
}

function metaspace(part: Part): Decoder {
  part.ignore("split");
  const { mark, scheme } = readMetaspace(part);
  return (tokens) => tokens.map((token, i) => token.replaceAll(mark, i === 0 && scheme !== "never" ? "" : " "));
}

const CLEAN_UP: readonly (readonly [from: string, to: string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" do not", " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

function readWordPiece(part: Part): Decoder {
  const prefix = part.text("prefix");
  const isCleaned = part.flag("cleanup");
  return (tokens) =>
    tokens.map((token, i) => {
      const spaced = i === 0 ? token : token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
      return isCleaned ? CLEAN_UP.reduce((text, [from, to]) => text.replaceAll(from, to), spaced) : spaced;
    });
}
