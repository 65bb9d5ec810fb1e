/**
 * A further thread: a Worker that runs its part of programs.
 *
 * @module
 */
import { openHands } from "./hands.ts";
import { serve, type ThreadStart } from "./team.ts";

const scope = self as unknown as { onmessage: (event: MessageEvent<ThreadStart>) => void; close(): void };
scope.onmessage = ({ data: { thread, module, memory, scratch } }) => {
  serve(openHands(module, memory, scratch), thread);
  scope.close();
};
