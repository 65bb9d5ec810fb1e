/**
 * The model families that can be run. Each is imported only when a model of it is opened.
 *
 * @module
 */
import { quote } from "../lib/graph/mod.ts";
import type { Architecture, ModelFamily } from "./family.ts";

const gemma3 = async (): Promise<ModelFamily> => (await import("./gemma3.ts")).gemma3;

/** By the `model_type` of `config.json`. */
export const FAMILIES: Readonly<Record<string, () => Promise<ModelFamily>>> = {
  gemma: async () => (await import("./gemma.ts")).gemma,
  gemma2: async () => (await import("./gemma2.ts")).gemma2,
  gemma3,
  gemma3_text: gemma3,
  gpt2: async () => (await import("./gpt2.ts")).gpt2,
  gpt_neo: async () => (await import("./gpt_neo.ts")).gptNeo,
  gpt_neox: async () => (await import("./gpt_neox.ts")).gptNeox,
  llama: async () => (await import("./llama.ts")).llama,
  mistral: async () => (await import("./mistral.ts")).mistral,
  olmo2: async () => (await import("./olmo2.ts")).olmo2,
  olmo3: async () => (await import("./olmo3.ts")).olmo3,
  phi3: async () => (await import("./phi3.ts")).phi3,
  qwen2: async () => (await import("./qwen2.ts")).qwen2,
  qwen3: async () => (await import("./qwen3.ts")).qwen3,
};

/**
 * Reads a Hugging Face `config.json`.
 *
 * @throws {TypeError | RangeError} if the family or a setting is not supported, or a setting is missing or of the wrong
 * kind
 */
export async function openArchitecture(config: Readonly<Record<string, unknown>>): Promise<Architecture> {
  const type = config.model_type;
  if (typeof type !== "string" || !Object.hasOwn(FAMILIES, type)) {
    const known = Object.keys(FAMILIES).join(", ");
    throw new RangeError(`Models of type ${quote(type)} are not supported; supported are ${known}`);
  }
  const quantized = config.quantization_config ?? undefined;
  if (quantized !== undefined) {
    const { quant_method: method } = quantized as { readonly quant_method?: unknown };
    throw new RangeError(
      `config.json: the weights are quantized (${
        quote(method)
      }), which is not supported: take a model in full precision`,
    );
  }
  return (await FAMILIES[type]()).open(config);
}
