import { goldensWith } from "./open_options.ts";
import { NATIVE } from "./devices.ts";

if (NATIVE) await goldensWith({ device: "native" });
else Deno.test.ignore("goldens on native: onnxruntime-node is not installed", () => {});
