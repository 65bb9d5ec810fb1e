import { createHash } from "node:crypto";
import { type HubOptions, type HubSource, openHub } from "../../../lib/weights/hub/hub.ts";

/** A hub on this machine for the tests: metadata, redirects to a storage on another port, ranges, and faults. */

/** A file of the fake hub. */
export interface FakeFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Large files are on the storage, under their SHA-256; others on the hub, under git's hash. */
  readonly lfs?: boolean;
  /** Instead of the true one. */
  readonly etag?: string;
}

/** A request that came. */
export interface Seen {
  /** `hub` or `storage`. */
  readonly at: string;
  readonly method: string;
  readonly path: string;
  readonly range: string | null;
  readonly authorization: string | null;
  readonly ifMatch: string | null;
}

/** Answers instead of the hub, or lets it (undefined). */
export type Fault = (request: Request, seen: Seen) => Response | undefined | Promise<Response | undefined>;

export const COMMIT = "a".repeat(40);
export const COMMIT_2 = "b".repeat(40);

/** Bytes of a large file. */
export function makeBytes(length: number, seed: number = 1): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => (Math.imul(i + seed, 2654435761) >>> 13) & 255);
}

/** The hub's name for a file's content. */
export function etagOf({ bytes, lfs, etag }: FakeFile): string {
  if (etag !== undefined) return etag;
  if (lfs) return createHash("sha256").update(bytes).digest("hex");
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

/** Text as a small file. */
export function textFile(text: string): FakeFile {
  return { bytes: new TextEncoder().encode(text) };
}

/** The hub and its storage. */
export class FakeHub implements AsyncDisposable {
  /** By name, at every revision. */
  readonly files = new Map<string, FakeFile>();
  /** The repositories that there are. */
  repo = "owner/name";
  /** Others, with the same files. */
  readonly otherRepos: string[] = [];
  /** The branch's commit. */
  commit = COMMIT;
  /** Names besides commits. */
  revisions = ["main"];
  /** What the token must be. */
  token: string | undefined;
  gated = false;
  /** Whether ranges are answered. */
  ranges = true;
  /** Where a storage that calls files otherwise keeps them. */
  storageEtag: (file: FakeFile) => string = (file) => `"storage-${etagOf(file).slice(0, 8)}"`;
  fault: Fault = () => undefined;
  /** What a client is shown of an answer. */
  show: (response: Response, request: Request) => Response = (response) => response;
  /** Besides the files, for listings. */
  extraNames: string[] = [];
  readonly seen: Seen[] = [];
  /** Bytes of bodies by file, as far as they were sent. */
  readonly sent = new Map<string, number>();
  #hub: Deno.HttpServer<Deno.NetAddr>;
  #storage: Deno.HttpServer<Deno.NetAddr>;

  constructor(files: Record<string, FakeFile>) {
    for (const [name, file] of Object.entries(files)) this.files.set(name, file);
    const options = {
      port: 0,
      hostname: "127.0.0.1",
      onListen: (): void => {},
      onError: (): Response => new Response(null, { status: 500 }),
    };
    this.#hub = Deno.serve(options, (request) => this.#answer("hub", request));
    this.#storage = Deno.serve(options, (request) => this.#answer("storage", request));
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#hub.addr.port}`;
  }

  /** The hub's and the storage's. */
  get hosts(): string[] {
    return [this.#hub, this.#storage].map(({ addr }) => `127.0.0.1:${addr.port}`);
  }

  /** The requests as text, e.g. `hub HEAD /owner/…`. */
  log(): string[] {
    return this.seen.map(({ at, method, path, range }) => `${at} ${method} ${path}${range ? ` ${range}` : ""}`);
  }

  /** Bytes sent of a file's body. */
  bytesOf(name: string): number {
    return this.sent.get(name) ?? 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#hub.shutdown(), this.#storage.shutdown()]);
  }

  async #answer(at: string, request: Request): Promise<Response> {
    const { method, headers } = request;
    const path = decodeURIComponent(new URL(request.url).pathname);
    const header = (name: string): string | null => headers.get(name);
    const seen = {
      at,
      method,
      path,
      range: header("range"),
      authorization: header("authorization"),
      ifMatch: header("if-match"),
    };
    this.seen.push(seen);
    const answer = await this.fault(request, seen) ??
      (at === "hub" ? this.#answerHub(request, path) : this.#answerStorage(request, path));
    return this.show(answer, request);
  }

  #answerHub(request: Request, path: string): Response {
    const isIn = (repo: string): boolean => path.startsWith(`/api/models/${repo}/`) || path.startsWith(`/${repo}/`);
    const repo = this.otherRepos.find(isIn) ?? this.repo;
    const api = `/api/models/${repo}/revision/`;
    const resolve = `/${repo}/resolve/`;
    const rest = path.startsWith(api) ? path.slice(api.length) : path.slice(resolve.length);
    if (!path.startsWith(api) && !path.startsWith(resolve)) return refuse(this.token ? 401 : 404, "RepoNotFound");
    const given = request.headers.get("authorization");
    if (this.gated && given !== `Bearer ${this.token}`) return refuse(given ? 403 : 401, "GatedRepo");
    if (this.token !== undefined && given !== `Bearer ${this.token}`) return refuse(401, "RepoNotFound");
    const revision = [...this.revisions, COMMIT, COMMIT_2].find((name) => rest === name || rest.startsWith(`${name}/`));
    if (revision === undefined) return refuse(404, "RevisionNotFound");
    const commit = this.revisions.includes(revision) ? this.commit : revision;
    if (path.startsWith(api)) return this.#list(commit);
    const name = rest.slice(revision.length + 1);
    const file = this.files.get(name);
    if (file === undefined) return refuse(404, "EntryNotFound", { "x-repo-commit": commit });
    const etag = `"${etagOf(file)}"`;
    const common = { "x-repo-commit": commit };
    if (!file.lfs) return this.#body(request, name, file, { ...common, etag });
    const location = `http://127.0.0.1:${this.#storage.addr.port}/${encodeURIComponent(name)}?signature=secret`;
    const linked = { "x-linked-etag": etag, "x-linked-size": String(file.bytes.length), location };
    return new Response(null, { status: 302, headers: { ...common, ...linked } });
  }

  #answerStorage(request: Request, path: string): Response {
    const name = path.slice(1);
    const file = this.files.get(name);
    if (file === undefined) return new Response(null, { status: 404 });
    return this.#body(request, name, file, { etag: this.storageEtag(file) });
  }

  #list(commit: string): Response {
    const siblings = [...this.files].map(([rfilename, file]) => {
      const [size, hash] = [file.bytes.length, etagOf(file)];
      return { rfilename, size, ...(file.lfs ? { blobId: "0".repeat(40), lfs: { sha256: hash } } : { blobId: hash }) };
    });
    return Response.json({
      sha: commit,
      siblings: [...siblings, ...this.extraNames.map((rfilename) => ({ rfilename }))],
    });
  }

  #body(request: Request, name: string, { bytes }: FakeFile, headers: Record<string, string>): Response {
    const ifMatch = request.headers.get("if-match");
    if (ifMatch !== null && ifMatch !== headers.etag) return new Response(null, { status: 412 });
    const size = { "content-length": String(bytes.length) };
    if (request.method === "HEAD") return new Response(null, { headers: { ...headers, ...size } });
    const range = this.ranges ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "") : null;
    const start = Number(range?.[1] ?? 0);
    const end = range?.[2] ? Math.min(Number(range[2]), bytes.length - 1) : bytes.length - 1;
    if (start >= bytes.length && bytes.length > 0) {
      return new Response(null, { status: 416, headers: { "content-range": `bytes */${bytes.length}` } });
    }
    const part = bytes.slice(start, end + 1);
    this.count(name, part.length);
    const answer = { ...headers, "content-length": String(part.length) };
    if (!range) return new Response(part, { headers: answer });
    return new Response(part, {
      status: 206,
      headers: { ...answer, "content-range": `bytes ${start}-${end}/${bytes.length}` },
    });
  }

  /** So many more bytes of a file are sent. */
  count(name: string, bytes: number): void {
    this.sent.set(name, this.bytesOf(name) + bytes);
  }

  /** An answer to a GET of a file that hangs up after `count` bytes (or goes on as slowly as `next` says). */
  cut(request: Request, name: string, count: number, next: () => Promise<void> = fail): Response {
    const all = this.files.get(name)!.bytes;
    const [, first, final] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.get("range") ?? "") ?? [];
    const start = Number(first ?? 0);
    const last = final ? Number(final) : all.length - 1;
    const end = Math.min(last + 1, start + count);
    this.count(name, end - start);
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(all.slice(start, end)),
      pull: async () => await next(),
    });
    const headers = { "content-length": String(last + 1 - start) };
    if (first === undefined) return new Response(body, { headers });
    return new Response(body, {
      status: 206,
      headers: { ...headers, "content-range": `bytes ${start}-${last}/${all.length}` },
    });
  }
}

function fail(): Promise<void> {
  return new Promise((_, reject) => setTimeout(() => reject(new Error("cut")), 20));
}

function refuse(status: number, code: string, headers: Record<string, string> = {}): Response {
  return new Response(null, { status, headers: { "x-error-code": code, ...headers } });
}

/** A fake hub and an empty cache; removed after the test. */
export async function withHub(
  files: Record<string, FakeFile>,
  test: (hub: FakeHub, open: (options?: Partial<HubOptions>) => HubSource, home: string) => Promise<void>,
): Promise<void> {
  const home = await Deno.makeTempDir();
  try {
    await using hub = new FakeHub(files);
    const open = (options: Partial<HubOptions> = {}): HubSource =>
      openHub({ repo: hub.repo, ...settingsFor(hub.endpoint, home), ...options });
    await test(hub, open, home);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

/** Settings that owe nothing to this machine. */
export function settingsFor(
  endpoint: string,
  home: string,
): Omit<HubOptions, "repo"> & { cacheDirectory: string; rangesDirectory: string } {
  return {
    endpoint,
    offline: false,
    cacheDirectory: `${home}/hub`,
    rangesDirectory: `${home}/own/ranges`,
    symlinks: true,
    token: "",
    retryDelays: [1, 1, 1],
  };
}

/** All files below a directory, by path; a link as its target. */
export async function tree(directory: string, prefix: string = ""): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(directory)) {
    const path = `${directory}/${name}`;
    if (isDirectory) Object.assign(found, await tree(path, `${prefix}${name}/`));
    else found[prefix + name] = isSymlink ? `-> ${await Deno.readLink(path)}` : String((await Deno.stat(path)).size);
  }
  return found;
}
