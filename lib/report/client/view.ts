/** What the parts of a view have in common. */

/** What is looked at in a result. */
export interface ViewState {
  /** The SAE, by its place among those of the data. */
  sae: number;
  /** The position; null: all. */
  position: number | null;
  /** The feature whose card is open. */
  feature: number | null;
}

/** What a part is drawn with, and what it tells. */
export interface ViewOptions {
  /** Default 0. */
  readonly sae?: number;
  /** Default null: all. */
  readonly position?: number | null;
  onPosition?(position: number | null): void;
  onFeature?(feature: number, sae: number): void;
}
