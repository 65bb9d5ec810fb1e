/** The models of golden cases. */
import { loadModel, type LoadModelOptions, type Model } from "../../mod.ts";
import { DATA } from "./golden.ts";

/**
 * Opens golden cases' models by their path, each once, and closes them after the file's tests.
 *
 * @param options when the first case asks
 */
export function goldenModels(
  options: () => LoadModelOptions = () => ({ threads: 1 }),
): (path: string) => Promise<Model> {
  const models = new Map<string, Promise<Model>>();
  Deno.test.afterAll(async () => {
    for (const model of models.values()) await (await model).close();
  });
  return (path) => {
    const model = models.get(path) ?? loadModel(new URL(`${path}/`, DATA), options());
    models.set(path, model);
    return model;
  };
}
