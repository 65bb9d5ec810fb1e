/**
 * What there is to choose from: models and SAEs, bundled, named on the command line, and public.
 *
 * @module
 */
import { BUNDLED, DEFAULT_MODEL } from "../bundled.ts";
import { VERSION } from "../version.ts";
import type { Offered } from "./offered.ts";

/** What is looked for. */
export interface ListQuery {
  /** Words that must all be in the name. */
  readonly search: string;
  /** Only SAEs of this model. */
  readonly model: string | undefined;
  readonly limit: number;
}

/** One thing to choose. */
export interface Choice {
  /** What it is opened by. */
  readonly name: string;
  /** In a few words. */
  readonly description: string;
  /** It is here; otherwise it is downloaded when it is first used, if it has not been before. */
  readonly local: boolean;
}

/** A model to begin with, and an SAE of it. */
export interface FeaturedModel {
  readonly model: string;
  readonly sae: string;
  /** In a few words. */
  readonly description: string;
  /** What it may be asked. */
  readonly prompt: string;
  /** It comes with the program. */
  readonly isHere: boolean;
}

/** Models that are offered first, the smallest download first. */
const FEATURED: readonly FeaturedModel[] = [
  {
    model: DEFAULT_MODEL,
    sae: BUNDLED[DEFAULT_MODEL].default_sae,
    description: "Tiny and made for this: its features have names",
    prompt: " Tiger Woods plays the sport of",
    isHere: true,
  },
  {
    model: "pythia-70m-deduped",
    sae: "pythia-70m-deduped-res-sm/blocks.3.hook_resid_post",
    description: "Real, 70 million parameters",
    prompt: "The Eiffel Tower is in the city of",
    isHere: false,
  },
  {
    model: "google/gemma-3-270m",
    sae: "gemma-scope-2-270m-pt-res-all/layer_12_width_16k_l0_small",
    description: "Real, 270 million parameters; its owner gives access on request",
    prompt: "The Eiffel Tower is in the city of",
    isHere: false,
  },
  {
    model: "gpt2",
    sae: "gpt2-small-res-jb/blocks.10.hook_resid_pre",
    description: "Real, 124 million parameters, the best explored",
    prompt: "Tiger Woods plays the sport of",
    isHere: false,
  },
];

/** What the page begins with, and what costs no download. */
export function offeredAtStart({ model, saes, hub }: Offered): Readonly<Record<string, unknown>> {
  const own = Object.hasOwn(BUNDLED, model) ? [BUNDLED[model].default_sae] : [];
  const bundled = Object.keys(BUNDLED);
  const bundledSaes = Object.values(BUNDLED).flatMap((entry) => Object.keys(entry.saes));
  return {
    program: `sae-attribution ${VERSION}`,
    model,
    saes: saes.length > 0 ? saes : own,
    bundled,
    local: [...new Set([...bundled, model, ...bundledSaes, ...saes])],
    hub,
    featured: FEATURED.filter(({ isHere }) => isHere || hub),
  };
}

/** Models, those that are here first. */
export async function listModels({ search, limit }: ListQuery, offered: Offered): Promise<{ models: Choice[] }> {
  const here: Choice[] = Object.entries(BUNDLED).map(([name, { description }]) => ({ name, description, local: true }));
  if (!Object.hasOwn(BUNDLED, offered.model)) {
    here.unshift({ name: offered.model, description: "from the command line", local: true });
  }
  const fits = await wordTest(search);
  const found = here.filter(({ name }) => fits(name));
  if (offered.hub) {
    const { searchModels } = await import(new URL("../registry/models.ts", import.meta.url).href) as Models;
    const models = (await searchModels(search)).filter(({ supported }) => supported);
    found.push(...models.map(({ name, family }) => ({ name, description: family ?? "", local: false })));
  }
  return { models: found.slice(0, limit) };
}

/** SAEs, those that are here first. */
export async function listSaes({ search, model, limit }: ListQuery, offered: Offered): Promise<{ saes: Choice[] }> {
  const fits = await wordTest(search);
  const here = [
    ...(model === undefined || model === offered.model ? offered.saes : [])
      .map((name) => ({ name, description: "from the command line", local: true })),
    ...Object.entries(BUNDLED).flatMap(([owner, { saes }]) =>
      model === undefined || model === owner
        ? Object.entries(saes).map(([name, { hook }]) => ({ name, description: hook, local: true }))
        : []
    ),
  ];
  const found: Choice[] = here.filter(({ name }) => fits(name));
  const isBundled = model !== undefined && Object.hasOwn(BUNDLED, model);
  if (offered.hub && !isBundled) {
    const { searchSaes } = await import(new URL("../registry/saes.ts", import.meta.url).href) as Saes;
    const entries = await searchSaes({ model, text: search }).catch(() => []); // a model of one's own has none
    found.push(
      ...entries.filter(({ supported }) => supported).slice(0, limit)
        .map(({ name, hook, expectedL0 }) => ({ name, description: describe(hook, expectedL0), local: false })),
    );
  }
  return { saes: found.slice(0, limit) };
}

function describe(hook: string | undefined, l0: number | undefined): string {
  return [hook ?? "", l0 === undefined ? "" : `L0 ${l0}`].filter(Boolean).join(", ");
}

type Models = typeof import("../registry/models.ts");
type Saes = typeof import("../registry/saes.ts");

async function wordTest(search: string): Promise<(name: string) => boolean> {
  const { wordTest } = await import(new URL("../registry/models.ts", import.meta.url).href) as Models;
  return wordTest(search);
}
