import { fileSystem, freeSpace } from "../../../platform/files.ts";
import { dirname } from "../../../platform/path.ts";
import { changed, changedEtag, contentLength, shortBody } from "../../http/answers.ts";
import { checkWholeSize, MAX_TEXT_BYTES } from "../../files/text.ts";
import type { RemoteFile, Wanted } from "../requests/answers.ts";
import { findHashError } from "./content_hash.ts";
import { makeDirectory, removeIfThere, writing } from "./disk.ts";
import { PARTIAL_ENDING } from "./layout.ts";
import { PartialFile } from "./partial_file.ts";
import type { DownloadTrack, ProgressMeter } from "../progress.ts";
import type { HubRequests } from "../requests/requests.ts";

/** What to download, and where to. */
export interface Download {
  readonly requests: HubRequests;
  readonly wanted: Wanted;
  readonly file: RemoteFile;
  /** Where the bytes are to be. */
  readonly blob: string;
  readonly meter: ProgressMeter;
  /** A longer file is refused with a `RangeError`. */
  readonly maxBytes?: number;
  /** Bytes that the disk has room for; default: as the system says. */
  readonly freeSpace?: (directory: string) => Promise<number | undefined>;
}

/**
 * Downloads a file into its blob: goes on where an earlier run was cut off, checks size and hash, and only then gives
 * it its name. Returns the bytes that came over the network. The caller holds the blob's lock.
 */
export async function downloadBlob(download: Download): Promise<number> {
  const { blob, file: { path, size } } = download;
  await makeDirectory(dirname(blob));
  const partial = await PartialFile.open(blob + PARTIAL_ENDING);
  const track = download.meter(path, size);
  try {
    return await fill(download, partial, track);
  } catch (error) {
    partial.close();
    // Nor does one go on whose size is not known: nobody could tell when it is complete.
    if (partial.length === 0 || size === undefined) await removeIfThere(partial.path);
    throw error;
  } finally {
    partial.close();
    track.end();
  }
}

async function fill(download: Download, partial: PartialFile, track: DownloadTrack): Promise<number> {
  const { file: { path, size, etag }, blob, requests } = download;
  const isUseless = size === undefined ? partial.length > 0 : partial.length > size;
  if (isUseless) await partial.restart();
  const resumed = partial.length;
  track.skip(resumed);
  await checkSpace(download, resumed);
  let came = await fetchRest(download, partial, track);
  let wrong = await findHashError(partial.path, etag);
  if (wrong !== undefined && resumed > 0) { // the earlier run's bytes may be to blame
    track.skip(-partial.length);
    await partial.restart();
    came += await fetchRest(download, partial, track);
    wrong = await findHashError(partial.path, etag);
  }
  if (wrong !== undefined) {
    partial.close();
    await removeIfThere(partial.path);
    throw new Error(`Cannot download ${path} from ${requests.host}: ${wrong}; it is thrown away, try again`);
  }
  await partial.sync();
  partial.close();
  await writing(blob, () => fileSystem.rename(partial.path, blob));
  return came;
}

/** Gets the bytes that are missing, over as many connections as it takes; returns how many came. */
async function fetchRest(download: Download, partial: PartialFile, track: DownloadTrack): Promise<number> {
  const { requests, wanted } = download;
  let { file } = download;
  let came = 0;
  if (file.size !== undefined && partial.length === file.size) return came;
  await requests.run(file.location, async (watch) => {
    if (watch.number > 0) file = await refresh(download);
    const range = partial.length > 0 ? { start: partial.length } : undefined;
    const response = await requests.open(wanted, file, range, watch);
    if (response.status === 200 && partial.length > 0) { // the server knows no ranges
      track.skip(-partial.length);
      await partial.restart();
    }
    const limit = limitOf(download, response, partial.length);
    for await (const chunk of response.body ?? []) {
      watch.tick();
      if (partial.length + chunk.length > limit) throw await tooLong(download, partial, partial.length + chunk.length);
      await partial.append(chunk);
      came += chunk.length;
      track.add(chunk.length);
      watch.reached(partial.length);
    }
    if (file.size === undefined || partial.length === file.size) return;
    throw shortBody(file.location, partial.length, file.size);
  });
  return came;
}

/** Bytes that the file may have: as announced before, else with the answer, else what a text may have. */
function limitOf({ file: { path, size }, maxBytes }: Download, response: Response, there: number): number {
  const length = contentLength(response);
  const announced = size ?? (length === undefined ? undefined : there + length);
  if (announced !== undefined && maxBytes !== undefined) checkWholeSize(path, announced, maxBytes);
  return announced ?? maxBytes ?? MAX_TEXT_BYTES;
}

/** Nothing is left of a file that does not end where it should. */
async function tooLong(
  { file, maxBytes = MAX_TEXT_BYTES }: Download,
  partial: PartialFile,
  is: number,
): Promise<Error> {
  await partial.restart();
  if (file.size !== undefined) return changed(file.location, `its size was ${file.size} and is at least ${is}`);
  return new RangeError(
    `Cannot read ${file.path} whole: its size was not announced, and more than ${maxBytes} bytes came`,
  );
}

/** Asks the hub for the file's address again; the file must be the same. */
async function refresh({ requests, wanted, file }: Download): Promise<RemoteFile> {
  const now = await requests.metadata({ ...wanted, path: file.path });
  if (now.etag !== file.etag) throw changedEtag(now.location, file.etag, now.etag);
  return now;
}

async function checkSpace(download: Download, there: number): Promise<void> {
  const { file: { path, size }, blob } = download;
  if (size === undefined) return;
  const free = await (download.freeSpace ?? freeSpace)(dirname(blob));
  if (free === undefined || free >= size - there) return;
  const needed = `${path} needs ${size - there} bytes, the disk has ${free}`;
  throw new Error(`Cannot write ${blob}: ${needed}; free some space or set HF_HOME to another disk`);
}
