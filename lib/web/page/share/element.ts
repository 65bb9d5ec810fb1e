/// <reference lib="dom" />
/**
 * `<sae-attribution prompt=" The capital of France is" pos=" Paris" neg=" London">`: a result in any page, from one
 * script of the site. Attributes are those of the question's address (`model`, `sae`, `prompt`, `pos`, `neg`, `method` …);
 * `link` is an address that "Copy link" gave, instead. It is as high as the result.
 *
 * @module
 */
import type { FrameHeight } from "./embed.ts";

/** Before the frame has said how high it is, in CSS pixels. */
const HEIGHT = 640;
/** Attributes that are the element's own. */
const OWN = ["class", "dir", "hidden", "id", "lang", "link", "slot", "style", "title"];

/**
 * The place of this script is that of the page. It is a plain script: a module would need a header from the site's host
 * that not every one sends.
 */
const SITE = new URL("./", ownAddress());

function ownAddress(): string {
  const { currentScript } = document; // null where it was written as a module nevertheless
  const own = currentScript ?? document.querySelector('script[src$="/element.js"]');
  if (own instanceof HTMLScriptElement) return own.src;
  throw new Error('sae-attribution: write <script src="https://SITE/element.js"></script>');
}

class SaeAttribution extends HTMLElement {
  #frame: HTMLIFrameElement | undefined;

  connectedCallback(): void {
    const frame = this.#frame ??= document.createElement("iframe");
    frame.src = questionAddress(this);
    frame.title = this.title || "Why a language model predicts its next token";
    frame.loading = "lazy";
    frame.allow = "cross-origin-isolated; clipboard-write";
    frame.style.cssText = `width: 100%; height: ${HEIGHT}px; border: 0`;
    if (this.style.display === "") this.style.display = "block";
    this.replaceChildren(frame);
    addEventListener("message", this);
  }

  disconnectedCallback(): void {
    removeEventListener("message", this);
  }

  /** A message of the frame. */
  handleEvent({ source, origin, data }: MessageEvent<FrameHeight>): void {
    if (this.#frame === undefined || source !== this.#frame.contentWindow || origin !== SITE.origin) return;
    const { type, height } = data;
    if (type === "sae-attribution height" && Number.isFinite(height)) this.#frame.style.height = `${height}px`;
  }
}

function questionAddress(element: HTMLElement): string {
  const address = new URL(SITE);
  const link = element.getAttribute("link");
  const question = link === null ? new URLSearchParams() : new URLSearchParams(link.replace(/^[^#]*#/, ""));
  for (const { name, value } of element.attributes) {
    if (!OWN.includes(name) && !name.startsWith("data-")) question.append(name, value);
  }
  address.search = new URLSearchParams([["embed", "true"], ...question]).toString();
  return address.href;
}

customElements.define("sae-attribution", SaeAttribution);
