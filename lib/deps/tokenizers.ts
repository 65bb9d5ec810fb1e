/**
 * Tokenizers of the Hugging Face hub: runs any `tokenizer.json` without native code.
 *
 * @module
 */
export { type BPE, Model, Tokenizer } from "npm:@huggingface/tokenizers@0.2.0";
