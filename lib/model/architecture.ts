/**
 * What a model family says of its models, for those outside: `lib/model` alone imports `models`.
 *
 * @module
 */
export {
  type Architecture,
  type BlockOptions,
  type MaskSpec,
  type ModelConfig,
  NO_PROCESSING,
  type Processing,
  type RotaryScaling,
  type RotarySpec,
  type StageGraph,
  type WeightRef,
} from "../../models/family.ts";
