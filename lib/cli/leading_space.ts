/**
 * The most common mistake with answers: "golf" where the model says " golf".
 *
 * @module
 */
import type { Prediction } from "../attribution/predict.ts";
import type { Model } from "../model/model.ts";
import { quote } from "./args_values.ts";

/** How many times better the token with the space must rank. */
const FAR = 10;

/**
 * A warning with both ranks if a token's text was given without its leading space and the model expects it with one.
 *
 * @param option the option that the text was given by
 * @param place a token's place among the model's predictions
 */
export async function leadingSpaceWarning(
  model: Model,
  option: string,
  text: string | number | undefined,
  place: (id: number) => Promise<Prediction>,
): Promise<string | undefined> {
  if (typeof text !== "string" || text.startsWith(" ")) return undefined;
  const tokenizer = await model.requireTokenizer();
  const [given, spaced] = [text, ` ${text}`].map((t) => tokenizer.encode(t));
  if (given.length !== 1 || spaced.length !== 1) return undefined;
  const { rank } = await place(given[0]);
  if (rank + 1 < FAR) return undefined;
  const { rank: spacedRank } = await place(spaced[0]);
  if (FAR * (spacedRank + 1) > rank + 1) return undefined;
  return `${quote(text)} has rank ${rank} among the predictions, ${quote(` ${text}`)} with a leading space rank ` +
    `${spacedRank}: did you mean ${option} ${quote(` ${text}`)}?`;
}
