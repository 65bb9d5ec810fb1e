/**
 * A model's weights as `torch.save` wrote them: `pytorch_model.bin`, read without running anything.
 *
 * @module
 */
import { makeGate, settleAll } from "../../concurrency.ts";
import { openTorchFile } from "./pickle_tensors.ts";
import { readShardIndex } from "./shards.ts";
import type { FileSource } from "../files/file_source.ts";
import type { TensorStore } from "../tensors/tensors.ts";
import { same, viewStore } from "../tensors/view.ts";

/**
 * Opens one file, or the shards that an index names.
 *
 * @throws {SyntaxError | RangeError} if a file is malformed, cut, or holds anything but tensors and plain containers
 */
export async function openTorchWeights(source: FileSource, name: string): Promise<TensorStore> {
  const files = name.endsWith(".json") ? await readShardIndex(source, name) : [name];
  const gate = makeGate(8);
  const opened = await settleAll(files.map((file) => gate(() => openTorchFile(source, file))));
  const views = opened.flatMap(({ zip, tensors }, i) =>
    tensors.map((info) => [info.name, same({ ...info, from: zip, path: files[i] })] as const)
  );
  return viewStore(source, Object.fromEntries(views));
}
