import { NotFound } from "../../../platform/errors.ts";
import type { ByteStorage } from "../../../platform/storage.ts";
import { HubError } from "../requests/answers.ts";
import { type HubFile, type HubListing, listRemote, readListing, writeListing } from "../requests/listing.ts";
import type { HubRequests } from "../requests/requests.ts";
import { formatHubName, isCommit } from "../names.ts";
import { mayUseCache } from "../requests/places.ts";

/** A file of which all is known but its bytes. */
export interface KnownFile extends HubFile {
  readonly size: number;
  readonly hash: string;
}

/** Whose files, and whom to ask. */
export interface KnownFilesOptions {
  readonly repo: string;
  readonly revision: string;
  readonly requests: HubRequests;
  readonly storage: Promise<ByteStorage>;
  readonly offline: boolean;
}

/** A branch is asked for again after a day: until then it is the commit that was seen last. */
const FRESH_MS = 24 * 60 * 60 * 1000;

/**
 * A repository's files at one commit, from the hub's list, which is kept for visits without a network: `REPO@REVISION#list`.
 * Parts of files that a newer list has no more are removed.
 */
export class KnownFiles {
  readonly #options: KnownFilesOptions;
  #listing: Promise<HubListing> | undefined;
  #commit: string | undefined;
  #byPath: ReadonlyMap<string, HubFile> = new Map();

  /** Nothing is asked for yet. */
  constructor(options: KnownFilesOptions) {
    this.#options = options;
  }

  /** Once a file has been asked for. */
  get commit(): string | undefined {
    return this.#commit;
  }

  /** All of them: names may be hostile. */
  async all(): Promise<readonly HubFile[]> {
    this.#listing ??= this.#list();
    this.#listing.catch(() => this.#listing = undefined);
    return (await this.#listing).files;
  }

  /** One of them; undefined: there is no such file. */
  async find(path: string): Promise<HubFile | undefined> {
    await this.all();
    return this.#byPath.get(path);
  }

  /** The same; without it, or without its size and hash, nothing can be done. */
  async need(path: string): Promise<KnownFile> {
    const file = await this.find(path);
    const { repo, revision } = this.#options;
    const name = formatHubName({ repo, revision, path });
    if (file === undefined) throw new NotFound(`Cannot read ${name}: no such file`);
    const { size, hash } = file;
    if (size === undefined || hash === undefined) {
      throw new Error(`Cannot read ${name}: the hub's list has not its ${size === undefined ? "size" : "hash"}`);
    }
    return { path, size, hash };
  }

  async #list(): Promise<HubListing> {
    const listing = await this.#choose();
    this.#commit = listing.commit;
    this.#byPath = new Map(listing.files.map((file) => [file.path, file]));
    return listing;
  }

  async #choose(): Promise<HubListing> {
    const { repo, revision, requests, offline } = this.#options;
    const kept = await this.#recall();
    if (kept !== undefined && (offline || kept.isFresh || isCommit(revision))) return kept.listing;
    try {
      // With a list at hand, a hub that does not answer is not waited for.
      const listing = await listRemote(requests, repo, revision, kept && { retryDelays: [] });
      if (isCommit(revision) && listing.commit !== revision) {
        throw new HubError(`Cannot list ${repo}: the answer is of the commit ${listing.commit}`, { status: 200 });
      }
      await this.#remember(listing, kept?.listing);
      return listing;
    } catch (error) {
      if (kept === undefined || !mayUseCache(error)) throw error;
      return kept.listing;
    }
  }

  async #recall(): Promise<{ readonly listing: HubListing; readonly isFresh: boolean } | undefined> {
    const bytes = await (await this.#options.storage).get(this.#key());
    if (bytes === undefined) return undefined;
    try {
      const answer = JSON.parse(new TextDecoder().decode(bytes));
      const age = Date.now() - answer.time;
      return { listing: readListing(answer, "Cannot read a kept list"), isFresh: age >= 0 && age < FRESH_MS };
    } catch {
      return undefined; // its tab was closed while it was written
    }
  }

  async #remember(listing: HubListing, before: HubListing | undefined): Promise<void> {
    const storage = await this.#options.storage;
    const { repo } = this.#options;
    const now = new Set(listing.files.map(({ hash }) => hash));
    for (const { hash } of before?.files ?? []) {
      if (hash !== undefined && !now.has(hash)) await storage.clear(`${repo}@${hash}/`);
    }
    const text = JSON.stringify({ ...writeListing(listing), time: Date.now() });
    await storage.put(this.#key(), [new TextEncoder().encode(text)]);
  }

  #key(): string {
    return `${this.#options.repo}@${this.#options.revision}#list`;
  }
}
