import { cached, makeGate } from "../../../concurrency.ts";
import { TransientError } from "../../http/answers.ts";
import { HubError, type RemoteFile } from "./answers.ts";
import { isCommit } from "../names.ts";
import { recall } from "./remembered.ts";
import type { HubRequests } from "./requests.ts";
import type { HubSettings } from "../settings.ts";
import type { Snapshots } from "../cache/snapshots.ts";

/** Where a file is. */
export type Place =
  | { readonly kind: "cached"; readonly commit: string; readonly size: number }
  /** `isRemembered`: an earlier run asked the hub. */
  | { readonly kind: "remote"; readonly file: RemoteFile; readonly isRemembered: boolean };

/** What {@linkcode Places} looks through. */
export interface PlacesOptions {
  readonly repo: string;
  readonly revision: string;
  readonly requests: HubRequests;
  readonly snapshots: Snapshots;
  readonly settings: Pick<HubSettings, "offline" | "rangesDirectory" | "endpoint">;
}

/**
 * Finds a repository's files: in the cache, else on the hub. The first answer fixes the commit, and all files come
 * from it; where the hub cannot be asked, it is the commit that the cache has for the branch or tag.
 */
export class Places {
  #options: PlacesOptions;
  #commit: string | undefined;
  /** Why the hub is not asked, although it might be. */
  #unreachable: Error | undefined;
  #found = new Map<string, Promise<Place | undefined>>();
  #first = makeGate(1);

  /** Nothing is looked for yet. */
  constructor(options: PlacesOptions) {
    this.#options = options;
    if (isCommit(options.revision)) this.#commit = options.revision;
  }

  /** The commit that the files come from, once it is known. */
  get commit(): string | undefined {
    return this.#commit;
  }

  /** Why a file that is not in the cache is not looked for on the hub, if so. */
  get unreachable(): string | undefined {
    if (this.#options.settings.offline) return "HF_HUB_OFFLINE is set";
    return this.#unreachable && `the hub cannot be asked (${this.#unreachable.message})`;
  }

  /** Where a file is; undefined: the commit has none. */
  find(path: string): Promise<Place | undefined> {
    return cached(this.#found, path, () => this.#findNow(path));
  }

  /** Looks anew the next time: the file has been downloaded. */
  forget(path: string): void {
    this.#found.delete(path);
  }

  /** The commit is known from elsewhere. */
  pin(commit: string): void {
    this.#commit ??= commit;
  }

  /** Fixes the commit to the one in the cache, if there is one. */
  async pinToCache(): Promise<string | undefined> {
    return this.#commit ??= await this.#options.snapshots.readRef(this.#options.revision);
  }

  async #findNow(path: string): Promise<Place | undefined> {
    if (this.#commit === undefined) {
      const asked = await this.#first(async () =>
        this.#commit === undefined ? { place: await this.#findFirst(path) } : undefined
      );
      if (asked !== undefined) return asked.place;
    }
    return await this.#findAt(this.#commit!, path);
  }

  /** Asks for the first file, and so for the commit. */
  async #findFirst(path: string): Promise<Place | undefined> {
    const { repo, revision, requests, snapshots, settings } = this.#options;
    const last = await snapshots.readRef(revision);
    if (settings.offline && last !== undefined) return await this.#findAt(this.#commit = last, path);
    const cached = last === undefined ? undefined : await this.#findCached(last, path);
    try {
      // With the file at hand, a hub that does not answer is not waited for.
      const file = await requests.metadata({ repo, revision, path }, cached && { retryDelays: [] });
      this.#commit = file.commit;
      return await this.#findCached(file.commit, path) ?? { kind: "remote", file, isRemembered: false };
    } catch (error) {
      if (error instanceof HubError && error.absentAt !== undefined) {
        this.#commit = error.absentAt;
        snapshots.noteAbsent(error.absentAt, path);
        return undefined;
      }
      if (cached === undefined || !mayUseCache(error)) throw error;
      this.#unreachable = error as Error;
      this.#commit = last;
      return cached;
    }
  }

  async #findAt(commit: string, path: string): Promise<Place | undefined> {
    const { repo, requests, snapshots, settings } = this.#options;
    const wanted = { repo, revision: commit, path };
    const cached = await this.#findCached(commit, path);
    if (cached !== undefined) return cached;
    if (await snapshots.isAbsent(commit, path)) return undefined;
    const remembered = await recall(settings.rangesDirectory, wanted, settings.endpoint);
    if (remembered !== undefined) return { kind: "remote", file: remembered, isRemembered: true };
    // What a cache lacks, another program may have known not to exist.
    if (this.unreachable !== undefined && await snapshots.hasCommit(commit)) return undefined;
    try {
      return { kind: "remote", file: await requests.metadata(wanted), isRemembered: false };
    } catch (error) {
      if (!(error instanceof HubError) || error.absentAt === undefined) throw error;
      snapshots.noteAbsent(commit, path);
      return undefined;
    }
  }

  async #findCached(commit: string, path: string): Promise<Place | undefined> {
    const size = await this.#options.snapshots.size(commit, path);
    return size === undefined ? undefined : { kind: "cached", commit, size };
  }
}

/** Whether the hub did not answer, or not to this user: what it gave before is still good. */
export function mayUseCache(error: unknown): boolean {
  return error instanceof TransientError || (error instanceof HubError && !error.isAbsence);
}
