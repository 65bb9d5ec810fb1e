import { canFuse, encodeKernels } from "../../../lib/runtime/kernels/module.ts";
import { openContext, type ThreadContext } from "../../../lib/runtime/kernels/thread_context.ts";

/** The kernels on a small memory of their own, with products rounded before they are added to, and without. */
export function openKernels(): { readonly name: string; readonly context: ThreadContext }[] {
  return [true, false].filter((fused) => !fused || canFuse()).map((fused) => {
    const limits = { initial: 64, maximum: 64, shared: true };
    const memory = new WebAssembly.Memory(limits);
    const module = new WebAssembly.Module(encodeKernels(limits, fused));
    return { name: fused ? "fused" : "not fused", context: openContext(module, memory, 0) };
  });
}
