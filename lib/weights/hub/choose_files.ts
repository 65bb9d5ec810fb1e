import type { HubFile } from "./requests/listing.ts";

/** Tensors of a model as transformers saves it, in one file or in shards: it reads the first of these that is there. */
const MODEL_WEIGHTS = [
  /^model\.safetensors$/,
  /^model-\d+-of-\d+\.safetensors$/,
  /^pytorch_model\.bin$/,
  /^pytorch_model-\d+-of-\d+\.bin$/,
];
/** Tensors of something else. */
const OTHER_WEIGHTS = /^[^/]*\.(safetensors|npz)$/;
/** What else a model needs: configuration, tokenizer, licence. */
const BESIDES = /^[^/]*\.(json|txt|model|jinja)$|^(LICENSE|USE_POLICY)[^/]*$/;

/** Which files of a repository are wanted. */
export interface FileChoice {
  /** A file or directory; undefined: the repository. */
  readonly path?: string;
  /** Patterns of which a file must fit one. */
  readonly include?: readonly string[];
}

/**
 * The files that are wanted: those that fit a pattern, else all below the path, else what a model is loaded from, so
 * that the same tensors are not downloaded in three formats, nor a thousand SAEs at once.
 */
export function chooseFiles(files: readonly HubFile[], { path, include = [] }: FileChoice): HubFile[] {
  const inside = files.filter((file) => path === undefined || file.path === path || file.path.startsWith(`${path}/`));
  if (include.length > 0) {
    const patterns = include.map(globPattern);
    return inside.filter((file) => patterns.some((pattern) => pattern.test(file.path)));
  }
  if (path !== undefined) return inside;
  const weights = MODEL_WEIGHTS.find((names) => inside.some((file) => names.test(file.path))) ?? OTHER_WEIGHTS;
  return inside.filter((file) => weights.test(file.path) || BESIDES.test(file.path));
}

/** As in huggingface_hub: `*` and `?` also stand for `/`, a pattern that ends with `/` for all below. */
function globPattern(glob: string): RegExp {
  const text = glob.endsWith("/") ? `${glob}*` : glob;
  const source = text.replace(/\*+|\?|\[!?[^\]]+\]|[^*?[]+|\[/g, (part) => {
    if (part.startsWith("*")) return ".*";
    if (part === "?") return ".";
    if (part.length < 3 || !part.startsWith("[")) return part.replace(/[\\^$.|+(){}[\]/-]/g, "\\$&");
    const inside = part.slice(1, -1).replace(/[\\\]^]/g, "\\$&");
    return inside.startsWith("!") ? `[^${inside.slice(1)}]` : `[${inside}]`;
  });
  return new RegExp(`^${source}$`, "s");
}
