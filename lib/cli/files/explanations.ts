/**
 * What features stand for: an SAE's own labels, and files that the user gives.
 *
 * @module
 */
import type { Explanations } from "../../attribution/result/long_table.ts";
import type { Sae } from "../../sae/sae.ts";
import type { SaeRequest } from "../../request/saes.ts";

/** Texts by hook and feature, and what is doubtful about them. */
export interface FoundExplanations {
  readonly explanations: Explanations;
  readonly warnings: readonly string[];
}

/**
 * The labels of all SAEs. What a file says goes before what the SAE says, an earlier file before a later one.
 *
 * @param requests one per SAE, in the same order
 * @throws {SyntaxError} if a file is malformed
 * @throws {RangeError} if a file is too large or explains a feature that the SAE does not have
 */
export async function findExplanations(
  saes: readonly Sae[],
  requests: readonly Pick<SaeRequest, "explanations">[],
): Promise<FoundExplanations> {
  const explanations = new Map<string, ReadonlyMap<number, string>>();
  const warnings: string[] = [];
  for (const [i, sae] of saes.entries()) {
    const { dSae, neuronpediaId } = sae.config;
    const texts = new Map<number, string>();
    for (const file of requests[i].explanations ?? []) {
      const { readFeatureTexts } = await import(
        new URL("./feature_texts.ts", import.meta.url).href
      ) as typeof import("./feature_texts.ts");
      const found = await readFeatureTexts(file);
      for (const [feature, text] of found.texts) {
        if (feature >= dSae) {
          throw new RangeError(
            `${file} explains feature ${feature}, but the SAE at ${sae.hookOut} has ${dSae}: is it for another SAE?`,
          );
        }
        if (!texts.has(feature)) texts.set(feature, text);
      }
      const [other] = neuronpediaId === undefined ? [] : [...found.ids].filter((id) => id !== neuronpediaId);
      if (other !== undefined) {
        warnings.push(`${file} is about ${other}, the SAE at ${sae.hookOut} is ${neuronpediaId} on Neuronpedia`);
      }
    }
    for (const [feature, text] of await sae.labels()) if (!texts.has(feature)) texts.set(feature, text);
    explanations.set(sae.hookOut, texts);
  }
  return { explanations, warnings };
}
