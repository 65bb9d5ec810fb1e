/// <reference lib="dom" />
/** What the parts of a view have in common. */
import type { ReportData } from "../report_data.ts";

/** What is looked at in a result. */
export interface ViewState {
  /** The SAE, by its place among those of the data. */
  sae: number;
  /** The position; null: all. */
  position: number | null;
  /** The feature whose card is open. */
  feature: number | null;
  /** Of an answer, the position of the token that is looked at; null or absent: all together. */
  target?: number | null;
  /** Special tokens are coloured too. */
  special?: boolean;
  /** Each row of an answer's matrix has its own scale of colours. */
  rowScale?: boolean;
}

/** Parts that run the model again, where somebody can. */
export interface ChangeParts {
  /** Of a card: the feature removed, doubled or set. The data are those of the token that is looked at. */
  feature(data: ReportData, sae: number, feature: number): HTMLElement;
  /** A set of an SAE's features. */
  set(data: ReportData, sae: number, onFeature: (feature: number) => void): HTMLElement;
}

/** What a part is drawn with, and what it tells. */
export interface ViewOptions {
  /** Default 0. */
  readonly sae?: number;
  /** Default null: all. */
  readonly position?: number | null;
  /** Special tokens are coloured too. Default: no. */
  readonly special?: boolean;
  onSpecial?(special: boolean): void;
  onPosition?(position: number | null): void;
  onFeature?(feature: number, sae: number): void;
}
