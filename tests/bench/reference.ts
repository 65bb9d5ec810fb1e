/** Whether the rows of this program are those of the reference, and how many there are. */
import { attribute, type PromptSet, python } from "./contestants.ts";
import type { BenchOptions } from "./options.ts";
import { compareRows, reasonOf } from "./process.ts";
import type { Job } from "./work.ts";

const GOLDEN = new URL("golden/", import.meta.url).pathname;

/** What a set's prompt gives. */
export interface Reference {
  /** Whose rows: the notebook's stack, kept in a file, or PyTorch's by hand, computed now. */
  readonly of: string;
  readonly job: Job;
  /** By device, what this program's rows have in common with them, in words. */
  readonly agreement: Readonly<Record<string, string>>;
}

/** Every row of the reference must be there, and differ by rounding only. */
export async function compareWithReference(options: BenchOptions, set: PromptSet): Promise<Reference> {
  const output = await Deno.makeTempFile({ suffix: ".csv" });
  const tokens = set.prompts[0].length;
  const golden = await Deno.readTextFile(`${GOLDEN}gpt2-shape-${tokens}.csv`).catch(() => undefined);
  const csv = golden ?? await rowsByHand(options, set, output);
  const agreement: Record<string, string> = {};
  for (const device of options.devices) {
    try {
      await attribute(options, set, device, options.weights[0], output);
      agreement[device] = compareRows(await Deno.readTextFile(output), csv);
    } catch (error) {
      agreement[device] = `cannot: ${reasonOf(error)}`;
    }
  }
  await Deno.remove(output);
  const of = golden === undefined ? "PyTorch by hand" : "the notebook's stack";
  return { of, agreement, job: { ...await sizes(options.dir), tokens, ...countActive(csv) } };
}

async function rowsByHand(options: BenchOptions, { file }: PromptSet, output: string): Promise<string> {
  await python(options, ["expert_torch.py", options.dir, "--prompts", file, "--repeat", "1", "--csv", output]);
  return await Deno.readTextFile(output);
}

function countActive(csv: string): Pick<Job, "activations" | "features"> {
  const features = csv.trim().split("\n").slice(1).map((line) => line.split(",")[1]);
  return { activations: features.length, features: new Set(features).size };
}

type Sizes = Omit<Job, "tokens" | "activations" | "features">;

async function sizes(dir: string): Promise<Sizes> {
  const read = async (path: string): Promise<Record<string, unknown>> =>
    JSON.parse(await Deno.readTextFile(`${dir}/${path}`));
  const [model, sae] = [await read("gpt2-shape/config.json"), await read("sae-shape/cfg.json")];
  const dModel = model.n_embd as number;
  const { hook_name } = sae.metadata as { hook_name: string };
  return {
    dModel,
    dMlp: 4 * dModel,
    nLayers: model.n_layer as number,
    dSae: sae.d_sae as number,
    saeLayer: Number(hook_name.split(".")[1]),
  };
}
