/**
 * The backward pass: stage before stage, gradients taken at hooks.
 *
 * @module
 */
import { type FloatTensor, toHost } from "../../runtime/tensor.ts";
import { findHook, type HookPoint } from "../hooks.ts";
import { type BackwardOptions, eachRowApart, type GradientSeeds, type Pass, type Stream } from "./pass.ts";
import { gatherRows, scatterRows } from "./feeds.ts";
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
  /** How many gradients go back at once over the one prompt, `[copies, position, …]`; its own values are computed once. */
  copies: number;
}

/**
 * Gradients at hooks, from the gradient at the final norm's output or at other hooks.
 *
 * @throws {RangeError} if the pass was not asked for gradients there, or several are to go back over several prompts
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
  const { stopHooks = [], eachRow } = options;
  const wanted = names.map(find);
  const lowest = Math.min(...wanted.map(({ stage }) => stage));
  let back: BackPass = {
    pass,
    options,
    wanted,
    seeds: [...seeds ?? []].map(([name, value]) => ({ ...find(name), value })),
    stopped: stopHooks.map(find),
    found: new Map(),
    copies: 1,
  };
  let g: Stream | undefined;
  let top = stages.last;
  if (seeds) {
    top = Math.max(lowest, ...back.seeds.map(({ stage }) => stage));
    back.copies = back.seeds[0].value.dims[0] / pass.request.prompts.length;
  } else {
    g = stages.finalInPlace(pass) ? spread(pass, gradient as FloatTensor) : gradient as FloatTensor;
  }
  const { prompts: { length: prompts } } = pass.request;
  if (prompts > 1 && (back.copies > 1 || eachRow)) {
    throw new RangeError(`Several gradients go back over one prompt, and the pass has ${prompts}: run them one by one`);
  }
  for (let stage = top; stage >= lowest; stage--) {
    const below = await backStage(stages, back, stage, g, stage > lowest);
    release(g);
    g = below;
    if (below === undefined || stage !== stages.last) continue;
    if (eachRow === undefined) g = stages.finalInPlace(pass) ? below : await fromRows(pass, below);
    else {
      back = { ...back, pass: eachRowApart(stages.architecture, pass, eachRow), copies: eachRow.length };
      g = await apart(stages, back.pass, below, pass, eachRow);
    }
  }
  release(g);
  return back.found;
}

/** The gradient below the final norm, each row's in a copy of its own, `[row, position, d_model]`. */
async function apart(
  stages: Stages,
  { selectRows, request: { rows }, length }: Pass,
  below: Stream,
  whole: Pass,
  eachRow: readonly number[],
): Promise<FloatTensor> {
  const { dims, data } = await toHost(below);
  release(below);
  const areRows = whole.selectRows || !stages.finalInPlace(whole); // else all positions
  const { dims: [, n, d], data: found } = gatherRows({ dims, data }, [areRows ? eachRow : rows.flat()]);
  return selectRows ? { dims: [n, 1, d], data: found } : scatterRows({ dims: [1, n, d], data: found }, rows, length);
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
        apart: copies === 1 ? [] : apartInputs(stages, back, stage, inside(seeds)),
      },
      options,
    );
    const feeds = await stages.feeds(pass, stage, pass.stageInputs.get(stage), goesOn ? stage - 1 : undefined);
    for (const { name, local } of replaced) feeds[deltaName(local)] = pass.deltas.get(name)!;
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

/** The inputs of a stage's graph that each of several gradients has for itself; all others they share. */
function apartInputs(
  stages: Stages,
  { pass, options }: BackPass,
  stage: number,
  seeds: readonly HookPoint[],
): string[] {
  const { selectRows } = stages.key(pass, stage);
  const ofRows = options.eachRow && selectRows ? ["rows", ...Object.keys(stages.architecture.masks)] : [];
  return [GRADIENT, ...seeds.map(({ local }) => seedName(local)), ...ofRows];
}

function sum(a: FloatTensor, b: FloatTensor): FloatTensor {
  return { dims: a.dims, data: a.data.map((x, i) => x + b.data[i]) };
}

function zerosLike({ dims: [batch, ...rest], data }: FloatTensor, copies: number): FloatTensor {
  return { dims: [copies * batch, ...rest], data: new Float32Array(copies * data.length) };
}
