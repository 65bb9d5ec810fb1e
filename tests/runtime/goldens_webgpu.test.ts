import { goldensWith } from "./open_options.ts";
import { WEBGPU } from "./devices.ts";

if (WEBGPU) await goldensWith({ device: "webgpu", weights: "resident" });
else Deno.test.ignore("goldens on webgpu: there is no adapter, not even a software one", () => {});
