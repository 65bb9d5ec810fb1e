/**
 * The backward pass: stage before stage, gradients taken at hooks.
 *
 * @module
 */
import { type FloatTensor, toHost } from "../../runtime/tensor.ts";
import { findHook, type HookPoint } from "../hooks.ts";
import type { BackwardOptions, GradientSeeds, Pass, Stream } from "./pass.ts";
import { scatterRows, tile } from "./feeds.ts";
import { deltaName, GRADIENT, INPUT_GRADIENT, seedName } from "./stage_sessions.ts";
import { release, runWith, type Stages } from "./stages.ts";

/** A backward pass under way. */
interface BackPass {
  readonly pass: Pass;
  readonly options: BackwardOptions;
  readonly wanted: readonly HookPoint[];
  readonly seeds: readonly (HookPoint & { readonly value: FloatTensor })[];
  readonly stopped: readonly HookPoint[];
  readonly found: Map<string, FloatTensor>;
  /** How many gradients go back over each prompt at once. */
  copies: number;
}

/**
 * Gradients at hooks, from the gradient at the final norm's output or at other hooks.
 *
 * @throws {RangeError} if the pass was not asked for gradients there
 */
export async function runBackward(
  stages: Stages,
  pass: Pass,
  gradient: FloatTensor | GradientSeeds,
  names: readonly string[],
  options: BackwardOptions,
): Promise<Map<string, FloatTensor>> {
  const seeds = gradient instanceof Map ? gradient as GradientSeeds : undefined;
  const unknown = [...names, ...seeds?.keys() ?? []].find((name) =>
    !pass.values.has(name) || !(pass.request.gradientsFrom ?? []).includes(name)
  );
  if (unknown !== undefined) throw new RangeError(`The forward pass was not asked for gradients at ${unknown}`);
  const find = (name: string): HookPoint => findHook(stages.architecture, name);
  const back: BackPass = {
    pass,
    options,
    wanted: names.map(find),
    seeds: [...seeds ?? []].map(([name, value]) => ({ ...find(name), value })),
    stopped: (options.stopHooks ?? []).map(find),
    found: new Map(),
    copies: 1,
  };
  const lowest = Math.min(...back.wanted.map(({ stage }) => stage));
  let g: Stream | undefined;
  let top = stages.last;
  if (seeds) {
    top = Math.max(lowest, ...back.seeds.map(({ stage }) => stage));
    back.copies = back.seeds[0].value.dims[0] / pass.request.prompts.length;
  } else {
    g = stages.finalInPlace(pass) ? spread(pass, gradient as FloatTensor) : gradient as FloatTensor;
  }
  for (let stage = top; stage >= lowest; stage--) {
    const below = await backStage(stages, back, stage, g, stage > lowest);
    release(g);
    g = below && stage === stages.last && !stages.finalInPlace(pass) ? await fromRows(pass, below) : below;
  }
  release(g);
  return back.found;
}

/** The gradient at the last block's output from that at the prompts' rows, `[1, row, d_model]`. */
async function fromRows(pass: Pass, atRows: Stream): Promise<Stream> {
  const host = await toHost(atRows);
  release(atRows);
  return spread(pass, host);
}

/** Rows of a gradient, `[1, row, d_model]`, where they belong: `[batch, position, d_model]`. */
function spread({ selectRows, request: { rows, prompts }, length }: Pass, { dims, data }: FloatTensor): FloatTensor {
  const [, n, d] = dims;
  return selectRows
    ? { dims: [prompts.length, n / prompts.length, d], data }
    : scatterRows({ dims, data }, rows, length);
}

/**
 * Back over one stage.
 *
 * @param gradient at the stage's output; undefined where nothing above depends on it
 * @returns the gradient at the stage's input
 */
async function backStage(
  stages: Stages,
  back: BackPass,
  stage: number,
  gradient: Stream | undefined,
  goesOn: boolean,
): Promise<Stream | undefined> {
  const { pass, found, options, copies } = back;
  const at = <T extends HookPoint>(points: readonly T[]): T[] => points.filter((point) => point.stage === stage);
  const [wanted, seeds, stopped] = [at(back.wanted), at(back.seeds), at(back.stopped)];
  const replaced = at(pass.hooks).filter(({ name }) => pass.deltas.has(name));
  const key = stages.key(pass, stage, replaced.map(({ local }) => local));
  const { hooks, input } = stages.sessions.graph(key);
  const isInput = ({ local }: HookPoint): boolean => hooks[local] === input;
  const inside = <T extends HookPoint>(points: readonly T[]): T[] => points.filter((point) => !isInput(point));
  const passesOn = goesOn && !stopped.some(isInput);
  let outputs: Record<string, Stream> = {};
  if (gradient !== undefined || inside(seeds).length > 0) {
    const session = await stages.sessions.backward(
      key,
      {
        wrt: inside(wanted).map(({ local }) => local),
        throughInput: passesOn || wanted.some(isInput),
        fromOutput: gradient !== undefined,
        seeds: inside(seeds).map(({ local }) => local),
        stopHooks: inside(stopped).map(({ local }) => local),
      },
      options,
    );
    const feeds = await stages.feeds(pass, stage, pass.stageInputs.get(stage), goesOn ? stage - 1 : undefined, copies);
    for (const { name, local } of replaced) feeds[deltaName(local)] = tile(pass.deltas.get(name)!, copies);
    for (const { local, value } of inside(seeds)) feeds[seedName(local)] = value;
    if (gradient !== undefined) feeds[GRADIENT] = gradient;
    outputs = await runWith(session, feeds, [INPUT_GRADIENT]) as typeof outputs;
  }
  let below: Stream | undefined = outputs[INPUT_GRADIENT];
  for (const { value } of seeds.filter(isInput)) below = below ? sum(await toHost(below), value) : value;
  for (const point of wanted) {
    const g = isInput(point) ? below : outputs[point.local];
    // Absent: nothing above depends on it.
    found.set(point.name, g ? await toHost(g) : zerosLike(pass.values.get(point.name)!, copies));
  }
  if (passesOn) return below;
  release(below);
}

function sum(a: FloatTensor, b: FloatTensor): FloatTensor {
  return { dims: a.dims, data: a.data.map((x, i) => x + b.data[i]) };
}

function zerosLike({ dims: [batch, ...rest], data }: FloatTensor, copies: number): FloatTensor {
  return { dims: [copies * batch, ...rest], data: new Float32Array(copies * data.length) };
}
