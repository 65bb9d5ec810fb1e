/**
 * Where graphs go: standard output, a file, or the directory that circuit-tracer's page is served from.
 *
 * @module
 */
import type { CircuitTracerGraph } from "../../attribution/circuits/circuit_tracer.ts";
import { fileError } from "../../platform/file_error.ts";
import { readTextFile } from "../../platform/read_text.ts";
import { jsonText } from "../../table/json.ts";
import { writeFileAtomic } from "../../table/write_file.ts";
import { isRecord, parseJsonObject } from "../../weights/json/json.ts";
import type { GraphRequest } from "../commands/circuits/graph.ts";
import { printData } from "../screen/output.ts";

/** The list of a directory's graphs. */
const INDEX = "graph-metadata.json";

/** Writes a graph to all places that are asked for. */
export async function writeGraph(
  graph: CircuitTracerGraph,
  { output, directory }: Pick<GraphRequest, "output" | "directory">,
): Promise<void> {
  const chunks = [...graphChunks(graph)];
  if (output !== undefined) await writeFileAtomic(output, chunks);
  if (directory !== undefined) await addToDirectory(directory, graph, chunks);
  if (output === undefined && directory === undefined) await printData(chunks);
}

/** Every node and edge on a line of its own. */
function* graphChunks({ metadata, qParams, nodes, links }: CircuitTracerGraph): Generator<string> {
  const list = (values: readonly unknown[]): string => values.map(jsonText).join(",\n");
  yield `{"metadata":${jsonText(metadata)},\n"qParams":${jsonText(qParams)},\n`;
  yield `"nodes":[\n${list(nodes)}\n],\n`;
  yield `"links":[\n${list(links)}\n]}\n`;
}

/** The graph as SLUG.json, and its metadata in the list, in the place of those of the same name. */
async function addToDirectory(directory: string, graph: CircuitTracerGraph, chunks: readonly string[]): Promise<void> {
  const { metadata } = graph;
  await Deno.mkdir(directory, { recursive: true }).catch((error) => {
    throw fileError("write", directory, error);
  });
  const others = (await readIndex(`${directory}/${INDEX}`)).filter((entry) =>
    !(isRecord(entry) && entry.slug === metadata.slug)
  );
  await writeFileAtomic(`${directory}/${metadata.slug}.json`, chunks);
  await writeFileAtomic(`${directory}/${INDEX}`, [`${JSON.stringify({ graphs: [...others, metadata] }, null, 2)}\n`]);
}

/** @throws {Error} before the work, if the directory has a list of graphs to which none can be added */
export async function checkIndex(directory: string): Promise<void> {
  await readIndex(`${directory}/${INDEX}`);
}

async function readIndex(file: string): Promise<readonly unknown[]> {
  let text: string;
  try {
    text = await readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  const { graphs } = parseJsonObject(text, file);
  if (!Array.isArray(graphs)) throw new SyntaxError(`${file} has no list of "graphs": is it circuit-tracer's?`);
  return graphs;
}
