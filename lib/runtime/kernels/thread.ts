/**
 * A further thread: a Worker that runs its part of programs.
 *
 * @module
 */
import { openContext } from "./thread_context.ts";
import type { ThreadStart } from "./start_thread.ts";
import { serve } from "./thread_pool.ts";

const scope = self as unknown as { onmessage: (event: MessageEvent<ThreadStart>) => void; close(): void };
scope.onmessage = ({ data: { thread, module, memory, scratch } }) => {
  serve(openContext(module, memory, scratch), thread);
  scope.close();
};
