import type { FileSource } from "../files/file_source.ts";
import type { ArrayInfo } from "../formats/npz.ts";

/** A tensor as a file has it. */
export interface Stored extends ArrayInfo {
  /** Where to read `file`: the directory, or a zip in it. */
  readonly from: FileSource;
  /** The file in the directory that it comes from. */
  readonly path: string;
}

/** Which part of a matrix is wanted. */
export type Wanted =
  | { readonly kind: "rows"; readonly start: number; readonly end: number }
  | { readonly kind: "columns"; readonly start: number; readonly end: number }
  | { readonly kind: "list"; readonly list: ArrayLike<number> };
