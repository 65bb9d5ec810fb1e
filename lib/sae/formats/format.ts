/**
 * What a file format of SAEs is: one file each in this directory, listed in {@linkcode ./mod.ts}.
 *
 * @module
 */
import type { TensorStore } from "../../weights/tensors/tensors.ts";
import type { SaeConfig, SaeOverrides } from "../config.ts";
import type { SaeFiles } from "./files.ts";

/** What the user says over what a file says, or where it says nothing. */
export interface LoadSaeOptions extends SaeOverrides {
  /** Features kept per position, for formats of top-k SAEs that do not say it. */
  readonly k?: number;
}

/** An SAE that a format has read: its settings, and its tensors under SAELens's names. */
export interface FoundSae {
  readonly config: SaeConfig;
  readonly store: TensorStore;
  /** Settings of its files that are not used, where a format knows better than which were not read. */
  readonly unused?: readonly string[];
}

/** A file format of SAEs. */
export interface SaeFormat {
  /** Whose it is, for messages. */
  readonly name: string;
  /** Tensors that its files may have and that change no number. */
  readonly harmless?: RegExp;
  /**
   * Opens an SAE of this format; undefined if the files are of another one, which is found out from which files there
   * are and what tensors are in them. A cross-layer transcoder is one for each of its layers, lowest first.
   *
   * @throws {SyntaxError | TypeError | RangeError} if a file is malformed, or says what is not supported, or the format
   * leaves something open that the options do not say
   */
  open(files: SaeFiles, options: LoadSaeOptions): Promise<FoundSae | readonly FoundSae[] | undefined>;
}
