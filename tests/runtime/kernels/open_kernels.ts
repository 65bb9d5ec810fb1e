import { type Hands, openHands } from "../../../lib/runtime/kernels/hands.ts";
import { canFuse, encodeKernels } from "../../../lib/runtime/kernels/module.ts";

const PAGES = 64;

/** The kernels on a small memory of their own, with products rounded before they are added to, and without. */
export function openKernels(): { readonly name: string; readonly hands: Hands }[] {
  return [true, false].filter((fused) => !fused || canFuse()).map((fused) => {
    const limits = { initial: PAGES, maximum: PAGES };
    const memory = new WebAssembly.Memory({ ...limits, shared: true });
    const module = new WebAssembly.Module(encodeKernels(limits, fused));
    return { name: fused ? "fused" : "not fused", hands: openHands(module, memory, 0) };
  });
}
