/**
 * Prompts as chats.
 *
 * @module
 */
import type { Model } from "../model/model.ts";
import type { ChatRequest } from "./request.ts";

/** The prompt, written as a chat if there is to be one. Token ids stay what they are. */
export async function inChat(
  model: Model,
  prompt: string | readonly number[],
  chat: ChatRequest | undefined,
): Promise<string | readonly number[]> {
  if (chat === undefined || typeof prompt !== "string") return prompt;
  const { system, assistantPrefix, variables } = chat;
  const messages = [
    ...(system === undefined ? [] : [{ role: "system", content: system }]),
    { role: "user", content: prompt },
  ];
  return (await model.applyChatTemplate(messages, { assistantPrefix, variables })).tokens;
}
