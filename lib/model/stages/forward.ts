/**
 * The forward pass: stage after stage, with other values put in at hooks.
 *
 * @module
 */
import { type FloatTensor, isOnDevice, toHost } from "../../runtime/tensor.ts";
import { findHook, type HookPoint } from "../hooks.ts";
import type { Feeds, ForwardState, Pass, Stream } from "./pass.ts";
import { isBeforeScores, projectIntoCache } from "./cached_feeds.ts";
import { gatherRows, tile, withRows } from "./feeds.ts";
import { deltaName, OUTPUT } from "./stage_sessions.ts";
import { release, runWith, type Stages } from "./stages.ts";

/**
 * Runs the stages from `start` on.
 *
 * @param input the stage's input, for one copy of the prompt
 * @throws {Error} if a stage's output is NaN or infinite; the message names the stage
 */
export async function runForward(stages: Stages, pass: Pass, start: number, input?: Stream): Promise<ForwardState> {
  const { gradientsFrom = [], prompts, rows } = pass.request;
  const lowest = Math.min(...gradientsFrom.map((name) => findHook(stages.architecture, name).stage));
  let resid: Stream | undefined = input && tile(await toHost(input), prompts.length);
  for (let stage = start; stage < stages.last; stage++) {
    const before = resid;
    resid = await runStage(stages, pass, stage, before);
    if (stage >= lowest) continue;
    pass.stageInputs.delete(stage);
    release(before);
  }
  const inPlace = stages.finalInPlace(pass);
  if (!inPlace && start < stages.last) resid = await atRows(pass, resid!);
  const normed = await runStage(stages, pass, stages.last, resid);
  const final = await toHost(normed);
  release(normed);
  stages.checkFinite(stages.last, final);
  pass.request.cache?.setLength(pass.request.cache.length + pass.length);
  return {
    request: pass.request,
    values: pass.values,
    selectRows: pass.selectRows,
    final: pass.selectRows ? inOneBatch(final) : inPlace ? gatherRows(final, rows) : final,
    release() {
      for (const stream of pass.stageInputs.values()) release(stream);
      pass.stageInputs.clear();
    },
  };
}

/** The stream at the prompts' rows, `[1, row, d_model]`. */
async function atRows({ request: { rows } }: Pass, stream: Stream): Promise<FloatTensor> {
  const host = await toHost(stream);
  release(stream);
  return gatherRows(host, rows);
}

/** The rows of several prompts, `[batch, row, d]`, one prompt after another: `[1, batch · row, d]`. */
function inOneBatch({ dims: [batch, n, d], data }: FloatTensor): FloatTensor {
  return { dims: [1, batch * n, d], data };
}

/** One stage: replacements at its input, inside, and at its output; hook values; the next stage's input. */
async function runStage(stages: Stages, pass: Pass, stage: number, resid: Stream | undefined): Promise<Stream> {
  const points = pass.hooks.filter((point) => point.stage === stage);
  const key = stages.key(pass, stage, []);
  const graph = stages.sessions.graph(key);
  const at = (point: HookPoint): "input" | "output" | "inside" =>
    graph.hooks[point.local] === graph.input
      ? "input"
      : graph.hooks[point.local] === graph.output
      ? "output"
      : "inside";
  let input = resid;
  for (const point of points.filter((p) => at(p) === "input")) {
    const value: FloatTensor = await toHost(input!);
    pass.values.set(point.name, value);
    if (pass.replacedAt.has(point.name)) input = await valueInstead(pass, point, value);
  }
  if (input) pass.stageInputs.set(stage, input);
  const inside = points.filter((p) => at(p) === "inside");
  const reads = inside.map(({ local }) => local);
  const feeding = stages.feeds(pass, stage, input, stage + 1);
  feeding.catch(() => {}); // reported when it is awaited
  if (!inside.some(({ name }) => pass.replacedAt.has(name))) {
    await stages.sessions.forward(key, reads, true); // meanwhile
  }
  const feeds = await feeding;
  if (key.isCached) await projectIntoCache(stages, pass, key, feeds);
  const deltas = await insideDeltas(stages, pass, stage, inside, feeds);
  const session = await stages.sessions.forward(stages.key(pass, stage, deltas), reads, true);
  const outputs = await runWith(session, feeds, [OUTPUT]);
  for (const { name, local } of inside) pass.values.set(name, outputs[local] as FloatTensor);
  let output = await atAllPositions(stages, pass, stage, outputs[OUTPUT] as Stream);
  for (const point of points.filter((p) => at(p) === "output")) {
    const value: FloatTensor = await toHost(output);
    pass.values.set(point.name, value);
    if (pass.replacedAt.has(point.name)) output = await valueInstead(pass, point, value);
  }
  if (!isOnDevice(output)) stages.checkFinite(stage, output);
  return output;
}

/** A block's output where it ran at the changed positions only: elsewhere it is the first pass's. */
async function atAllPositions(stages: Stages, pass: Pass, stage: number, output: Stream): Promise<Stream> {
  const rows = stages.rows(pass, stage);
  if (rows === undefined || rows !== pass.changes?.rows) return output;
  const values = await toHost(output);
  release(output);
  return withRows(await toHost(pass.changes.inputs.get(stage + 1)!), values, rows);
}

/** Finds the deltas of a stage's inner replacements, one run up to each whose value is not known. */
async function insideDeltas(
  stages: Stages,
  pass: Pass,
  stage: number,
  inside: readonly HookPoint[],
  feeds: Feeds,
): Promise<string[]> {
  const deltas: string[] = [];
  const order = Object.keys(stages.sessions.graph(stages.key(pass, stage, [])).hooks);
  const replaced = inside.filter(({ name }) => pass.replacedAt.has(name))
    .sort((a, b) => order.indexOf(a.local) - order.indexOf(b.local));
  for (const point of replaced) {
    const needed = inside.filter(({ name }) => pass.replacedAt.get(point.name)!.reads?.includes(name));
    const points = [...new Set([point, ...needed])];
    if (deltas.length === 0 && points.every(({ name }) => pass.known.has(name))) {
      for (const { name } of points) pass.values.set(name, tile(pass.known.get(name)!, pass.request.prompts.length));
    } else {
      const session = await stages.sessions.forward(
        stages.key(pass, stage, deltas),
        points.map(({ local }) => local),
        false,
      );
      const outputs = await runWith(session, feeds);
      for (const { name, local } of points) pass.values.set(name, outputs[local] as FloatTensor);
    }
    const value = pass.values.get(point.name)!;
    const replacement = await valueInstead(pass, point, value);
    const delta = { dims: value.dims, data: value.data.map((x, i) => replacement.data[i] - x) };
    pass.deltas.set(point.name, delta);
    feeds[deltaName(point.local)] = delta;
    deltas.push(point.local);
    const shifted = stages.key(pass, stage, deltas);
    if (shifted.isCached && isBeforeScores(stages, shifted, point.local)) {
      await projectIntoCache(stages, pass, shifted, feeds);
    }
  }
  return deltas;
}

/** The value that goes on from a hook that is replaced. */
async function valueInstead(pass: Pass, { name }: HookPoint, value: FloatTensor): Promise<FloatTensor> {
  const replacing = pass.replacedAt.get(name)!;
  const later = replacing.reads?.find((hook) => !pass.values.has(hook));
  if (later !== undefined) {
    throw new RangeError(`The replacement at ${name} cannot read ${later}, which comes after it`);
  }
  const replacement = await replacing.replace(pass.values);
  if (replacement.data.length !== value.data.length) {
    throw new RangeError(
      `The replacement at ${name} has ${replacement.data.length} elements, not ${value.data.length}`,
    );
  }
  const shaped = { dims: value.dims, data: replacement.data };
  pass.values.set(name, shaped);
  return shaped;
}
