/**
 * Which requests are let in: those that the page itself and the user's own programs make, not those that another web
 * site makes in the user's browser.
 *
 * @module
 */
import { excerpt } from "../quote.ts";
import { ApiError } from "./api_error.ts";

/** Nothing but what this server sends, and Neuronpedia's dashboards in frames. Styles are set by scripts, not in HTML. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "frame-src https://neuronpedia.org https://www.neuronpedia.org",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Headers of every answer. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
};

/**
 * The names under which a server may be asked for. A name that somebody else's DNS gives to this machine (DNS rebinding)
 * is not among them; a bare address cannot be given away by DNS.
 *
 * @param hostname what the server listens on
 * @param more names that the user allows
 */
export function hostTest(hostname: string, more: readonly string[]): (host: string) => boolean {
  const names = new Set(["127.0.0.1", "localhost", "[::1]", bracketed(hostname), ...more].map((n) => n.toLowerCase()));
  const isOpen = !isLoopback(hostname);
  return (host) => {
    const name = host.replace(/:\d{1,5}$/, "").toLowerCase();
    return names.has(name) || (isOpen && /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])$/.test(name));
  };
}

/** Whether only this machine can reach what listens there. */
export function isLoopback(hostname: string): boolean {
  return /^(?:127(?:\.\d{1,3}){3}|localhost|\[?::1\]?)$/i.test(hostname);
}

/** An IPv6 address as URLs write it. */
export function bracketed(hostname: string): string {
  return hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
}

/**
 * Whether a page of this origin is ours: it came from the host that is asked, or from a name that the user allows, such
 * as that of a proxy, which may speak https outside and give another host inside.
 */
function isOurOrigin(origin: string, host: string, more: readonly string[]): boolean {
  if (origin === `http://${host}`) return true;
  if (!/^https?:\/\//.test(origin) || !URL.canParse(origin)) return false;
  const { host: from, hostname } = new URL(origin);
  return more.some((name) => name.toLowerCase() === hostname) && (from === hostname || from === host);
}

/**
 * Lets a request in or throws.
 *
 * @param more names that the user allows
 * @throws {ApiError} 421 for a host that is not ours, 403 for what another site asks for
 */
export function checkRequest(request: Request, isOurHost: (host: string) => boolean, more: readonly string[]): void {
  const { host } = new URL(request.url);
  if (!isOurHost(host)) {
    throw new ApiError(421, `This server is not ${excerpt(host)}: open it by the address that it printed`);
  }
  const origin = request.headers.get("origin");
  if (origin !== null && !isOurOrigin(origin, host, more)) {
    throw new ApiError(403, `Requests from ${excerpt(origin)} are refused: only the page of this server may ask`);
  }
  const site = request.headers.get("sec-fetch-site");
  const isVisit = request.headers.get("sec-fetch-mode") === "navigate" && request.method === "GET";
  if (site !== null && site !== "same-origin" && site !== "none" && !isVisit) {
    throw new ApiError(403, "Requests from another site are refused: only the page of this server may ask");
  }
}
