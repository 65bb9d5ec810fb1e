import { goldensWith } from "./open_options.ts";

await goldensWith({ device: "onnx" });
