/** A thread that fails, for as long as a word of the memory is not 0, before it runs its part. */
import { execute } from "../../../lib/runtime/kernels/execute.ts";
import { openContext } from "../../../lib/runtime/kernels/thread_context.ts";
import type { ThreadStart } from "../../../lib/runtime/kernels/start_thread.ts";
import { serve } from "../../../lib/runtime/kernels/thread_pool.ts";

const scope = self as unknown as { onmessage: (event: MessageEvent<ThreadStart & { flag: number }>) => void };
scope.onmessage = ({ data: { thread, module, memory, scratch, flag } }) => {
  serve(openContext(module, memory, scratch), thread, (context, participant, from, to) => {
    const failure = context.words[flag];
    if (failure === 1) throw new TypeError(`nothing to run from word ${from} to ${to} …`);
    if (failure > 1) throw "é".repeat(failure);
    execute(context, participant, from, to);
  });
  close();
};
