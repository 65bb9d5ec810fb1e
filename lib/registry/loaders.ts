/**
 * SAELens's loaders and what opens their files here.
 *
 * @module
 */

/** Whether the SAEs of one of SAELens's loaders can be opened. */
export interface LoaderSupport {
  /** The format's name; undefined: not supported. */
  readonly format?: string;
  /** Why they are not supported. */
  readonly why?: string;
  /** What a release lists are parts of one thing, which is opened only as a whole: its repository. */
  readonly whole?: boolean;
}

/** Every loader that SAELens 6.54.12 registers, by its name there (`conversion_func` of a release). */
export const LOADERS: Readonly<Record<string, LoaderSupport>> = {
  sae_lens: { format: "SAELens" },
  connor_rob_hook_z: { format: "hook_z (Kissane, Krzyzanowski)" },
  gemma_2: { format: "Gemma Scope" },
  gemma_3: { format: "Gemma Scope 2" },
  llama_scope: { format: "Llama Scope" },
  llama_scope_r1_distill: { format: "Llama Scope R1 Distill" },
  dictionary_learning_1: { format: "dictionary_learning" },
  deepseek_r1: { format: "DeepSeek-R1" },
  qwen_scope: { format: "Qwen Scope" },
  sparsify: { format: "sparsify" },
  gemma_2_transcoder: { format: "Gemma Scope" },
  mwhanna_transcoder: { format: "circuit-tracer transcoder" },
  mntss_clt_layer_transcoder: { format: "cross-layer transcoder", whole: true },
  temporal: { format: "temporal SAE" },
  goodfire: { format: "Goodfire" },
};
