/**
 * The result alone, for a frame on somebody's page: `?embed=true&prompt=…`, the question after a `?` or a `#`.
 *
 * @module
 */
/// <reference lib="dom" />
import { find } from "../find.ts";

/** What is told to the page around it, so that it can make room. */
export interface FrameHeight {
  readonly type: "sae-attribution height";
  /** CSS pixels. */
  readonly height: number;
}

/** Whether only the result is to be shown. */
export function isEmbedded(): boolean {
  return new URLSearchParams(location.search).get("embed") === "true";
}

/** Hides all but the result and what is said of it, and tells the page around how high it is. */
export function embed(): void {
  document.documentElement.dataset.embed = "yes";
  find("whole-page").hidden = false;
  if (parent === globalThis.self) return;
  const tell = (): void => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    parent.postMessage({ type: "sae-attribution height", height } satisfies FrameHeight, "*");
  };
  new ResizeObserver(tell).observe(document.body);
}

/** The link from an embedded result to the whole page. */
export function linkWholePage(hash: string): void {
  find("whole-page-link", HTMLAnchorElement).href = location.pathname + hash;
}
