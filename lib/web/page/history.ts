/// <reference lib="dom" />
/**
 * The runs of this browser, newest first, in its own storage.
 */
import { h } from "../../report/client/mod.ts";
import { find } from "./find.ts";

const KEY = "sae-attribution history";
const MOST = 30;

/** One run. */
export interface HistoryEntry {
  /** The question, as addresses have it. */
  readonly hash: string;
  readonly title: string;
  readonly note: string;
}

/** The runs. Where the browser keeps nothing, there are none. */
function readHistory(): HistoryEntry[] {
  try {
    const entries: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(entries) ? entries.filter(isEntry).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function isEntry(entry: unknown): entry is HistoryEntry {
  if (typeof entry !== "object" || entry === null) return false;
  const { hash, title, note } = entry as Readonly<Record<string, unknown>>;
  return [hash, title, note].every((text) => typeof text === "string") && String(hash).startsWith("#");
}

/** Puts a run first; the same question takes the place of its older self. */
export function remember(entry: HistoryEntry): void {
  write([entry, ...readHistory().filter(({ hash }) => hash !== entry.hash)].slice(0, MOST));
}

/** Forgets all runs. */
export function forgetAll(): void {
  write([]);
}

function write(entries: readonly HistoryEntry[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(entries));
  } catch { /* private windows and full storages keep nothing */ }
}

/** Lists the questions that were asked. */
export function showHistory(): void {
  const entries = readHistory();
  find("history").hidden = entries.length === 0;
  find("history-list").replaceChildren(
    ...entries.map(({ hash, title, note }) =>
      h("li", {}, h("a", { href: hash }, h("bdi", {}, title)), " ", h("bdi", { class: "note" }, note))
    ),
  );
}
