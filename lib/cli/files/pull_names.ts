/**
 * Which repository of the hub a model's or SAE's name stands for.
 *
 * @module
 */
import { readSaeData } from "../../registry/data.ts";
import { findModel } from "../../registry/models.ts";
import { findSae } from "../../registry/saes.ts";
import { type HubName, parseHubName } from "../../weights/hub/names.ts";

/** A place on the hub, and other names of its repository. */
export interface FoundOnHub extends HubName {
  readonly otherRepos?: readonly string[];
}

/**
 * Finds the place on the hub.
 *
 * @throws {RangeError} if nothing has the name, or what has it is not on the hub
 *
 * @example
 * ```ts
 * import assert from "node:assert/strict";
 * import { findOnHub } from "./pull_names.ts";
 *
 * assert.equal((await findOnHub("hf:owner/name@v1")).revision, "v1");
 * ```
 */
export async function findOnHub(name: string): Promise<FoundOnHub> {
  if (name.startsWith("hf:")) return parseHubName(name)!;
  if (await isSae(name)) {
    const { repo, revision, path } = await findSae(name);
    return { repo, revision, path: path === "" ? undefined : path };
  }
  const { repo, otherRepos, revision, path, whyNot } = await findModel(name);
  if (repo === undefined) throw new RangeError(`${name} is not on the hub${whyNot ? `: ${whyNot}` : ""}`);
  return { repo, otherRepos, revision, path };
}

/** A release of SAEs comes before a slash where a repository's owner would. */
async function isSae(name: string): Promise<boolean> {
  if (name.startsWith("np:")) return true;
  const { releases } = await readSaeData();
  return Object.hasOwn(releases, name.split("/", 1)[0]);
}
