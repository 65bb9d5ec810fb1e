/** What tests open models with; a test file that runs others' tests on another device changes it before it imports them. */
import type { LoadModelOptions } from "../../mod.ts";

let options: LoadModelOptions = { threads: 1, device: "wasm" };

/** The options. */
export const openOptions = (): LoadModelOptions => options;

/** Runs the golden cases with other options. */
export async function goldensWith(other: LoadModelOptions): Promise<void> {
  options = { threads: 1, ...other };
  await import("../attribution/goldens.test.ts");
  await import("../models/goldens.test.ts");
  await import("../attribution/attributions.test.ts");
  if (other.device === "webgpu") return; // token by token, a graphics processor in software takes minutes
  await import("../model/generate/cache.test.ts");
  await import("../model/generate/greedy.test.ts");
}
