/**
 * What the hub's answers mean.
 *
 * @module
 */
import { quote } from "../../../quote.ts";
import { contentLength, shownUrl, TransientError } from "../../http/answers.ts";
import { isCommit } from "../names.ts";

/** What is asked for. */
export interface Wanted {
  readonly repo: string;
  readonly revision: string;
  /** Undefined: something about the repository. */
  readonly path?: string;
}

/** What the hub says of a file. */
export interface RemoteFile {
  readonly path: string;
  /** The commit that it was found at. */
  readonly commit: string;
  /** SHA-256 of a large file, git's hash of a small one; the name of its blob. */
  readonly etag: string;
  /** Undefined where the hub did not tell. */
  readonly size: number | undefined;
  /** Where its bytes are. */
  readonly location: URL;
}

/** The largest wait that a server may ask for and get. */
const MAX_WAIT_MS = 60_000;

/** Headers of an answer and of the redirects that led to it; the first that says something counts. */
export class AnswerHeaders {
  #all: Headers[] = [];

  /** The next answer of the chain. */
  add(headers: Headers): void {
    this.#all.push(headers);
  }

  /** The first answer's value that has one. */
  get(name: string): string | undefined {
    for (const headers of this.#all) {
      const value = headers.get(name);
      if (value !== null) return value;
    }
    return undefined;
  }
}

/** An ETag without its quotes and its mark of weakness; `undefined` where it cannot be a file's name. */
export function normalizeEtag(etag: string | null | undefined): string | undefined {
  const bare = etag?.replace(/^W\//, "").replace(/^"(.*)"$/, "$1");
  return bare !== undefined && /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(bare) && !bare.includes("..")
    ? bare
    : undefined;
}

/**
 * Reads the commit, ETag and size from the answer to a HEAD request; `location` is where the bytes are.
 *
 * @throws {Error} if something is missing: the server is no hub
 */
export function readMetadata(wanted: Wanted, headers: AnswerHeaders, last: Response, location: URL): RemoteFile {
  const commit = headers.get("x-repo-commit");
  const fail = (what: string): Error =>
    new Error(`Cannot read ${shownUrl(location)}: ${what}: is HF_ENDPOINT the address of a hub?`);
  if (commit === undefined || !isCommit(commit)) throw fail("the answer names no commit");
  if (isCommit(wanted.revision) && commit !== wanted.revision) throw fail(`the answer is of the commit ${commit}`);
  const given = headers.get("x-linked-etag") ?? last.headers.get("etag");
  const etag = normalizeEtag(given);
  if (etag === undefined) throw fail(`its ETag ${quote(given ?? null)} is of no use`);
  const linked = headers.get("x-linked-size");
  const isRedirect = last.headers.has("location");
  const size = linked !== undefined && /^\d+$/.test(linked)
    ? Number(linked)
    : isRedirect
    ? undefined
    : contentLength(last);
  return { path: wanted.path ?? "", commit, etag, size: Number.isSafeInteger(size) ? size : undefined, location };
}

/** A file, revision or repository that the hub does not have, or does not show. */
export class HubError extends Error {
  /** For `instanceof`-free tests. */
  override name = "HubError";
  /** Of the answer. */
  readonly status: number;
  /** The file is not at this commit, where the answer says which. */
  readonly absentAt: string | undefined;
  /** The hub answered, and knows no such repository, revision or file. */
  readonly isAbsence: boolean;

  /** The message is one line that says what to do. */
  constructor(message: string, { status, isAbsence = false, absentAt }: {
    readonly status: number;
    readonly isAbsence?: boolean;
    readonly absentAt?: string;
  }) {
    super(message);
    this.status = status;
    this.isAbsence = isAbsence;
    this.absentAt = absentAt;
  }
}

/** The error that an answer of the hub stands for; `undefined` for 2xx. */
export function hubFailure(wanted: Wanted, response: Response, url: URL, hasToken: boolean): Error | undefined {
  const { status, statusText, headers, ok } = response;
  if (ok) return undefined;
  const { repo, revision, path } = wanted;
  const code = headers.get("x-error-code");
  const what = path === undefined ? repo : `${repo}/${path}`;
  const http = `HTTP ${status}${statusText && ` ${statusText}`}`;
  const cannot = `Cannot read ${what} on ${url.host}:`;
  if (status === 408 || status === 429 || status >= 500) return busy(response, `${cannot} ${http}`, hasToken);
  const absence = { status, isAbsence: true };
  if (code === "RevisionNotFound") {
    return new HubError(`${cannot} the repository has no revision ${quote(revision)}; give another`, absence);
  }
  const commit = headers.get("x-repo-commit");
  if (code === "EntryNotFound" || (status === 404 && code === null && commit !== null)) {
    const absentAt = commit !== null && isCommit(commit) ? commit : undefined;
    return new HubError(`${cannot} there is no such file at ${revision}; check its name`, { ...absence, absentAt });
  }
  if (code === "GatedRepo") return new HubError(`${cannot} ${gatedAdvice(repo, url, hasToken)}`, { status });
  if (code === "RepoNotFound" || (status === 401 && !hasToken)) {
    const secret = hasToken
      ? "if it is private, the token must be one that may read it"
      : "if it is private, set HF_TOKEN";
    const isAbsence = status === 404;
    return new HubError(`${cannot} there is no such repository; check its name, ${secret}`, { status, isAbsence });
  }
  if (status === 401) return new HubError(`${cannot} ${http}: the token is not valid; set HF_TOKEN anew`, { status });
  if (status === 403) {
    return new HubError(`${cannot} ${http}: ${hasToken ? "the token may not read it" : "set HF_TOKEN"}`, { status });
  }
  if (status === 404) return new HubError(`${cannot} ${http}: is HF_ENDPOINT the address of a hub?`, { status });
  return new HubError(`${cannot} ${http}`, { status });
}

function gatedAdvice(repo: string, url: URL, hasToken: boolean): string {
  const page = `${url.origin}/${repo}`;
  return hasToken
    ? `its licence has not been accepted with this account; do so at ${page}`
    : `it is given only to those who accept its licence; do so at ${page} and set HF_TOKEN`;
}

function busy(response: Response, message: string, hasToken: boolean): Error {
  const wait = waitAsked(response);
  const { status } = response;
  const advice = status === 429 && !hasToken ? "; a token (HF_TOKEN) is allowed more" : "";
  if (wait <= MAX_WAIT_MS) return new BusyError(`${message}${advice}`, status, wait);
  return new HubError(`${message}: it asks to wait ${Math.ceil(wait / 1000)} s; try again then${advice}`, { status });
}

/** A server that may answer later. */
export class BusyError extends TransientError {
  /** Of the answer. */
  readonly status: number;

  /** `wait` is what the server asks for, in milliseconds. */
  constructor(message: string, status: number, wait: number) {
    super(message, wait);
    this.status = status;
  }
}

/** How long an answer asks to wait, in milliseconds: seconds or a date. */
export function waitAsked({ headers }: Response, now: number = Date.now()): number {
  const text = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now);
}
