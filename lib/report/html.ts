/**
 * The report as one HTML file that needs nothing else: no network, no server.
 *
 * @module
 */
import { SCRIPT, STYLE } from "./client/built.ts";
import type { ReportData } from "./report_data.ts";
import { signed } from "./figures.ts";
import { printable } from "../table/terminal.ts";

/** The page of data that are already there. */
export async function dataHtml(data: ReportData): Promise<string> {
  const policy = [
    "default-src 'none'",
    `script-src '${await sha256(SCRIPT)}'`,
    `style-src '${await sha256(STYLE)}'`,
    "frame-src https://neuronpedia.org https://www.neuronpedia.org",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(titleOf(data))}</title>
<style>${STYLE}</style>
</head>
<body>
<main id="result" class="attribution">
<noscript>${escapeHtml(withoutScript(data))}</noscript>
</main>
<footer class="attribution">
<section><h2>Take it with you</h2><div id="downloads" class="downloads"></div><div id="command"></div></section>
</footer>
<script type="application/json" id="data">${embeddedJson(data)}</script>
<script type="module">${SCRIPT}</script>
</body>
</html>
`;
}

function titleOf({ metric, tokens }: ReportData): string {
  const prompt = tokens.filter(({ special }) => !special).map(({ text }) => text).join("").trim();
  const short = prompt.length > 60 ? `${prompt.slice(0, 59)}…` : prompt;
  return printable(`${metric.words}: ${short}`);
}

/** What a reader without JavaScript gets: the result in one sentence, and where the numbers are. */
function withoutScript({ metric, model }: ReportData): string {
  const value = metric.value === null ? "not finite" : signed(metric.value);
  return `${model.description}: ${metric.words} ${metric.place} = ${value}. The tables of this page are drawn by its own ` +
    "script; the numbers are in it as JSON.";
}

/** JSON in which nothing ends the script element or begins a comment in it. */
export function embeddedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Text for HTML, in an element or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** A source expression of Content-Security-Policy. */
async function sha256(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return `sha256-${btoa(String.fromCharCode(...hash))}`;
}
