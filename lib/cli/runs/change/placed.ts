/**
 * Changes whose positions are named by role, in a prompt.
 *
 * @module
 */
import type { Intervention } from "../../../attribution/change/interventions.ts";
import { placeIn, type WrittenPrompt } from "../../../request/chat.ts";
import type { Asked } from "../../commands/change/steer.ts";

/**
 * The changes at positions of the prompt.
 *
 * @throws {RangeError} if the chat has not one of them
 */
export function placed<T extends Asked<{ readonly position: Intervention["position"] }>>(
  chat: WrittenPrompt,
  changes: readonly T[],
): (T & { readonly position: Intervention["position"] })[] {
  return changes.map((change) => {
    const { position } = change;
    return { ...change, position: typeof position === "string" ? position : placeIn(chat, position) };
  });
}
