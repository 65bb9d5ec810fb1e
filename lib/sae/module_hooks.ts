/**
 * Hooks named by modules of Hugging Face's models, as SAELens does that trains on `AutoModelForCausalLM`.
 *
 * @module
 */

/** A block of any family: `transformer.h.1`, `model.layers.12`, `gpt_neox.layers.3`, `model.language_model.layers.4`. */
const BLOCK = /^(?:(?:transformer|model|gpt_neox|language_model)\.)*(?:h|layers)\.(\d{1,6})$/;

/**
 * TransformerLens's name for what a module writes. A block's output is the residual stream after it, in every family;
 * what a module inside a block is depends on the family, so that other names stay as they are.
 */
export function hookOfModule(name: string): string {
  const layer = BLOCK.exec(name)?.[1];
  return layer === undefined ? name : `blocks.${Number(layer)}.hook_resid_post`;
}
