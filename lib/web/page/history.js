/**
 * The runs of this browser, newest first, in its own storage.
 */
const KEY = "sae-attribution history";
const MOST = 30;

/** The runs: `{ hash, title, note }`. Where the browser keeps nothing, there are none. */
export function readHistory() {
  try {
    const entries = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(entries) ? entries.filter(isEntry).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

function isEntry(entry) {
  return typeof entry === "object" && entry !== null &&
    ["hash", "title", "note"].every((key) => typeof entry[key] === "string") && entry.hash.startsWith("#");
}

/** Puts a run first; the same question takes the place of its older self. */
export function remember(entry) {
  write([entry, ...readHistory().filter(({ hash }) => hash !== entry.hash)].slice(0, MOST));
}

/** Forgets all runs. */
export function forgetAll() {
  write([]);
}

function write(entries) {
  try {
    localStorage.setItem(KEY, JSON.stringify(entries));
  } catch { /* private windows and full storages keep nothing */ }
}
