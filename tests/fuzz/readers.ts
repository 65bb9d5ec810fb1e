/** What is read from outside, each with whole files to begin from. */
import { gzipSync } from "node:zlib";
import type { InputFormat } from "../../lib/batch/input/formats.ts";
import { readRecords } from "../../lib/batch/input/read.ts";
import { readFeatureTexts } from "../../lib/cli/files/feature_texts.ts";
import { readPromptFile } from "../../lib/cli/args/prompt.ts";
import { readConfig } from "../../lib/deploy/config.ts";
import { openWeights } from "../../lib/model/weights/open_weights.ts";
import { readTokenizer } from "../../lib/model/tokenizer.ts";
import { parseFigures } from "../../lib/request/figures.ts";
import { openSaes, SaeFiles } from "../../lib/sae/formats/mod.ts";
import { TensorSae } from "../../lib/sae/sae.ts";
import { readSelect, readSteer } from "../../lib/web/change/requests.ts";
import { readAttribute, readPredict } from "../../lib/web/job_requests.ts";
import { parseJson, parseJsonObject } from "../../lib/weights/json/json.ts";
import { readNpyHeader, readNpz } from "../../lib/weights/formats/npz.ts";
import { openTorchFile } from "../../lib/weights/formats/pickle_tensors.ts";
import type { FileSource } from "../../lib/weights/files/file_source.ts";
import { decodeText } from "../../lib/weights/files/text.ts";
import { openSafetensors } from "../../lib/weights/tensors/tensors.ts";
import { isFloatDtype } from "../../lib/weights/tensors/floats.ts";
import { openZip } from "../../lib/weights/formats/zip_source.ts";
import { openArchitecture } from "../../models/mod.ts";

/** Files by their path in a directory. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** One way of reading files. */
export interface Reader {
  /** What is read. */
  readonly name: string;
  /** Directories that are read without an error. */
  readonly seeds: readonly Files[];
  /** Which files are damaged. */
  readonly victims?: RegExp;
  /** Reads everything that a run would read. */
  read(files: Files): Promise<void>;
}

const DATA = new URL("../data/", import.meta.url);

/** All files below a directory. */
function directory(path: string): Files {
  const files = new Map<string, Uint8Array>();
  const visit = (below: string): void => {
    for (const { name, isDirectory } of Deno.readDirSync(new URL(`${path}/${below}`, DATA))) {
      if (isDirectory) visit(`${below}${name}/`);
      else files.set(below + name, Deno.readFileSync(new URL(`${path}/${below}${name}`, DATA)));
    }
  };
  visit("");
  return files;
}

/** Single files, each in a directory of its own. */
function files(path: string, ending: RegExp): Files[] {
  return [...directory(path)].filter(([name]) => ending.test(name)).map((entry) => new Map([entry]));
}

const text = (name: string, content: string): Files => new Map([[name, new TextEncoder().encode(content)]]);
const json = (name: string, value: unknown): Files => text(name, JSON.stringify(value));

/** A directory in memory. A read outside a file is a plain Error, which no reader may let happen. */
function memory(files: Files, location: string = "here"): FileSource {
  const find = (path: string): Uint8Array => {
    const bytes = files.get(path);
    if (!bytes) throw new Deno.errors.NotFound(`there is no ${path}`);
    return bytes;
  };
  const close = (): Promise<void> => Promise.resolve();
  return {
    location,
    size: (path) => Promise.resolve(files.get(path)?.length),
    read: (path, offset, length, into = new Uint8Array(length)) => {
      const bytes = find(path);
      if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length)) throw new Error("read out of bounds");
      into.set(bytes.subarray(offset, offset + length));
      return Promise.resolve(into.subarray(0, length));
    },
    // deno-lint-ignore require-await
    readText: async (path) => decodeText(path, find(path)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The files of an SAE and the one that its path names. */
function saeReader(name: string, path: string): Reader {
  const isFile = Deno.statSync(new URL(path, DATA)).isFile;
  const location = isFile ? path.slice(0, path.lastIndexOf("/")) : path;
  const named = isFile ? path.slice(path.lastIndexOf("/") + 1) : undefined;
  return {
    name: `SAE, ${name}`,
    seeds: [directory(location)],
    victims: /\.(json|yaml|safetensors|npz|pth?)$/,
    async read(files) {
      for (const { config, store } of await openSaes(new SaeFiles(memory(files, location), named), {})) {
        const sae = new TensorSae(config, store, location);
        if (store.tensors.has("W_enc")) await store.readColumnRange("W_enc", 0, Math.min(8, sae.config.dSae));
        await store.readRows("W_dec", [0, sae.config.dSae - 1]);
        for (const tensor of store.tensors.keys()) await store.read(tensor);
      }
    },
  };
}

const FORMATS = JSON.parse(Deno.readTextFileSync(new URL("formats/cases.json", DATA))) as Record<
  string,
  { path: string }
>;
const SAES: Readonly<Record<string, string>> = {
  ...Object.fromEntries(Object.entries(FORMATS).map(([name, { path }]) => [name, `formats/${path}`])),
  "cross-layer transcoder": "cross_layer/clt-jumprelu",
  "cross-layer transcoder of Gemma Scope 2": "cross_layer/gemma-scope-2-270m-pt/clt/width_16k_l0_big_affine",
  "SAELens": "sae_lens/standard",
  "SAELens before version 6": "saes/g-old-topk-mlp0",
  "SAELens, matching pursuit": "sae_lens/matching_pursuit",
  "SAELens, temporal": "sae_lens/temporal",
  "SAELens, transcoder": "sae_lens/transcoder",
};

/** One tokenizer of each kind, and the files beside it. */
function tokenizers(): Files[] {
  const kinds = [...directory("tokenizers/kinds")].filter(([name]) => !/^texts|no-unknown/.test(name));
  const own = kinds.map(([name, bytes]) => json("tokenizer.json", object(new Map([[name, bytes]]), name).tokenizer));
  const { tokenizers, cases } = object(directory("tokenizers"), "other_files.json") as {
    tokenizers: Record<string, object>;
    cases: { kind: string; files: Record<string, string> }[];
  };
  const others = cases.map(({ kind, files }) =>
    new Map(
      [json("tokenizer.json", tokenizers[kind]), ...Object.entries(files).map(([name, content]) => text(name, content))]
        .flatMap((one) => [...one]),
    )
  );
  return [...own, ...others];
}

/** What tokenizers are asked for. */
const TOKENIZED = [
  " Tiger Woods plays <s>golf</s>, don't: ½ é 日本語 🙂\n\n",
  "a".repeat(300) + " ".repeat(300) + "\ufeff!",
];

/** Through a file on the disk, as these readers take a path. */
async function onDisk(files: Files, read: (path: string) => Promise<unknown>): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeFile(path, [...files.values()][0]);
    await read(path);
  } finally {
    await Deno.remove(path);
  }
}

function promptReader(format: InputFormat, seeds: readonly Files[]): Reader {
  const all = async (path: string): Promise<void> => {
    for await (const record of readRecords({ path, format })) {
      // What is wrong with one record is a line of errors.jsonl.
      if ("error" in record && record.error.length > 300) throw new Error(`the record's error is ${record.error}`);
    }
  };
  return { name: `prompts, ${format}`, seeds, read: (files) => onDisk(files, all) };
}

const [PROMPT, TOKENS] = [{ prompt: " Tiger Woods plays the sport of", pos_token: " golf", id: 3 }, { ids: [1, 2, 3] }];
const EXPLANATIONS = [{ index: "14535", description: "golf", modelId: "gpt2", layer: "8" }, { index: 3, label: "tea" }];
const LINES = EXPLANATIONS.map((record) => JSON.stringify(record)).join("\n");
const CSV = 'id,prompt,ids,pos_token\n1, a,,b\n2,,"[1, 2]",\n';
const object = (files: Files, name: string): Record<string, unknown> =>
  parseJsonObject(decodeText(name, files.get(name)!), name);

/** All of them. */
export const READERS: readonly Reader[] = [
  {
    name: "model",
    seeds: [
      ...[...Deno.readDirSync(new URL("models/", DATA))].map(({ name }) => directory(`models/${name}`)),
      directory("weights/index_is_wrong"),
      directory("weights/named_file"),
      directory("weights/torch_file"),
      directory("weights/torch_shards"),
    ],
    victims: /(^config\.json|\.safetensors|\.bin|index\.json)$/,
    async read(files) {
      const config = object(files, "config.json");
      const architecture = await openArchitecture(config);
      const { store } = await openWeights(memory(files), architecture, config, "a model");
      for (const name of [...store.tensors.keys()].slice(0, 5)) await store.readRowRange(name, 0, 1);
    },
  },
  {
    name: "safetensors",
    seeds: files("weights/file_and_stale_index", /\.safetensors$/),
    async read(files) {
      const store = await openSafetensors(memory(files), { file: [...files.keys()][0] });
      for (const name of store.tensors.keys()) await store.read(name);
    },
  },
  {
    name: "npz",
    seeds: files("formats/arrays", /^(stored|deflated)\.npz$/),
    async read(files) {
      const [name] = files.keys();
      const zip = await openZip(memory(files), name);
      for (const { file, offset, byteLength } of await readNpz(zip)) await zip.read(file, offset, byteLength);
    },
  },
  {
    name: "npy",
    seeds: files("formats/arrays", /^version_\d\.npy$/),
    read: async (files) => void await readNpyHeader(memory(files), [...files.keys()][0]),
  },
  {
    name: "torch",
    seeds: files("formats/arrays", /^protocol_\d\.pt$/),
    async read(files) {
      const { zip, tensors } = await openTorchFile(memory(files), [...files.keys()][0]);
      for (const { file, offset, byteLength, dtype, order } of tensors) {
        if (order !== "other" && isFloatDtype(dtype)) await zip.read(file, offset, byteLength);
      }
    },
  },
  ...Object.entries(SAES).map(([name, path]) => saeReader(name, path)),
  promptReader("parquet", files("batch", /\.parquet$/).filter((file) => ![...file.keys()][0].includes("damaged"))),
  promptReader("csv", [text("a.csv", CSV), text("b.csv", 'prompt\n" a ""b""\nc"\n')]),
  promptReader("jsonl", [text("a.jsonl", `${JSON.stringify(PROMPT)}\n${JSON.stringify(TOKENS)}\n`)]),
  promptReader("txt", [text("a.txt", " Tiger Woods plays the sport of\n The capital is\n")]),
  {
    name: "prompts of a single run",
    seeds: [text("a.txt", " Tiger Woods plays\n[1, 2, 3]\n")],
    read: (files) => onDisk(files, readPromptFile),
  },
  {
    name: "explanations",
    seeds: [
      json("a.json", EXPLANATIONS),
      json("b.json", { features: { 14535: { label: "golf" }, 3: "tea" } }),
      text("c.jsonl", `${LINES}\n`),
      text("d.csv", 'feature,density,label\n14535,0.1,golf\n3,0.2,"tea"\n'),
      gzipped("e.jsonl.gz", LINES),
      gzipped("f.csv.gz", "index,description\n14535,golf\n3,tea\n"),
    ],
    read: (files) => onDisk(files, readFeatureTexts),
  },
  {
    name: "figures of verify",
    seeds: [new Map([["a.json", Deno.readFileSync(new URL("../../models/verify/notebook.json", import.meta.url))]])],
    // deno-lint-ignore require-await
    read: async (files) => void parseFigures(parseJson(decodeText("a.json", files.get("a.json")!), "a.json"), "a.json"),
  },
  {
    name: "tokenizer",
    seeds: tokenizers(),
    async read(files) {
      const { encode, tokenText, displayText } = (await readTokenizer(memory(files), {}))!;
      for (const text of TOKENIZED) for (const id of encode(text)) tokenText(id) + displayText(id);
    },
  },
  {
    name: "configuration of a schedule",
    seeds: [
      json("a.json", { schedule: "0 6 * * *", prompts: [PROMPT, TOKENS], top: 5, saes: ["tiny-facts/a"], name: "a" }),
    ],
    // deno-lint-ignore require-await
    read: async (files) => void readConfig(parseJson(decodeText("a.json", files.get("a.json")!), "a.json")),
  },
  {
    name: "requests",
    seeds: [
      json("predict.json", { prompt: " a", top: 3, saes: ["a@blocks.0.hook_resid_pre"], processing: "sae" }),
      json("attribute.json", {
        token_ids: [1, 2],
        metric: { positive: [" a"], negative: [3] },
        format: "csv",
        top: 2,
        saes: ["a"],
      }),
      json("attribute.json", {
        prompt: " a",
        target_text: " b",
        saes: [{
          source: "a",
          hook: "blocks.0.hook_resid_pre",
          hook_in: "blocks.0.hook_mlp_in",
          norm_scaling_factor: 2,
        }],
        method: "integrated-gradients",
        steps: 4,
        tolerance: 0.1,
        baseline: "ids:1,2",
        chat: true,
        system: "s",
        chat_variable: ["x=1", "y=text"],
        exclude_token_ids: [1],
        error_term: false,
        format: "json",
        positions: ["1:-1", 3],
        columns: ["position", "feature"],
      }),
      json("attribute.json", {
        token_ids: [1],
        saes: ["a"],
        token_weight: [" a=1"],
        id_weight: "3=-2",
        metric_position: [-2, -1],
      }),
      json("steer.json", {
        prompt: "a",
        saes: ["a"],
        interventions: [{ hook: "b", feature: 3, position: "all", how: "scale", value: 0.5 }],
        position: -2,
        top: 3,
        downstream_error: "frozen",
      }),
      json("select.json", {
        prompt: "a",
        saes: ["a"],
        keep: 0.5,
        direction: "both",
        ablation: "mean",
        seed: 1,
      }),
      json("select.json", {
        prompt: "a",
        saes: ["a"],
        hook: "b",
        by: "feature",
        set: [{ feature: 3 }, { feature: 4 }],
      }),
    ],
    // deno-lint-ignore require-await
    async read(files) {
      const [name] = files.keys();
      const read = { "predict.json": readPredict, "steer.json": readSteer, "select.json": readSelect }[name!];
      (read ?? readAttribute)(object(files, name), { model: "a", saes: () => [] });
    },
  },
];

function gzipped(name: string, content: string): Files {
  return new Map([[name, new Uint8Array(gzipSync(content))]]);
}
