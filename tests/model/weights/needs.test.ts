/** What a question is said to read is what it reads, for every family and format of the golden cases. */
import assert from "node:assert/strict";
import { calculateFeatureAttribution, loadModel, loadSae, logitDiff } from "../../../mod.ts";
import { fetchNeeds, priceOf } from "../../../lib/weights/tensors/needs.ts";
import type { ByteRange } from "../../../lib/weights/files/ranges.ts";
import { addScheme, type FileSource, openSource } from "../../../lib/weights/files/source.ts";
import { addSpan, missingSpans, type Span } from "../../../lib/weights/hub/ranges/spans.ts";

const DATA = new URL("../../data/", import.meta.url);
const CASES = new URL("cases/families/", DATA);

interface FamilyCase {
  readonly name: string;
  readonly model: string;
  readonly saes: readonly { readonly path: string; readonly hook: string; readonly norm_scaling_factor?: number }[];
  readonly tokens: readonly number[];
  readonly metric: { readonly kind: string; readonly pos_token?: number; readonly neg_token?: number };
}

const cases = [...Deno.readDirSync(CASES)].map(({ name }) => name).filter((name) => name.endsWith(".json")).sort()
  .map((name) => JSON.parse(Deno.readTextFileSync(new URL(name, CASES))) as FamilyCase);

type Spans = Map<string, Span[]>;

/** By file, what has been read, what it was asked the cost of, and what was to be fetched. */
const seen = { read: new Map() as Spans, cost: new Map() as Spans, fetch: new Map() as Spans };

addScheme("recorded", (location) => {
  const source = openSource(new URL(location.replace(/^recorded:\/\//, ""), DATA));
  const note = (into: Spans, path: string, parts: readonly ByteRange[]): void => {
    const spans = parts.map(({ offset, length }): Span => [offset, offset + length]);
    into.set(`${location} ${path}`, spans.reduce(addSpan, into.get(`${location} ${path}`) ?? []));
  };
  return {
    location,
    size: (path: string) => source.size(path),
    readText: (path: string, most?: number) => source.readText(path, most),
    read: (path: string, offset: number, length: number, into?: Uint8Array) => {
      note(seen.read, path, [{ offset, length }]);
      return source.read(path, offset, length, into);
    },
    readParts: (path: string, parts: readonly ByteRange[], into: Uint8Array) => {
      note(seen.read, path, parts);
      return source.readParts!(path, parts, into);
    },
    cost: (path: string, parts: readonly ByteRange[]) => {
      note(seen.cost, path, parts);
      return Promise.resolve({ missing: parts.reduce((sum, { length }) => sum + length, 0), there: 0 });
    },
    fetch: (path: string, parts: readonly ByteRange[]) => Promise.resolve(note(seen.fetch, path, parts)),
    close: () => source.close(),
    [Symbol.asyncDispose]: () => source.close(),
  } satisfies FileSource;
});

/** The first is all in the second. */
function assertWithin(inner: Spans, outer: Spans, what: string): void {
  for (const [file, spans] of inner) {
    const missing = spans.flatMap((span) => missingSpans(outer.get(file) ?? [], span));
    assert.deepEqual(missing, [], `${what}: ${file}`);
  }
}

for (const { name, model: path, saes: [asked], tokens, metric } of cases) {
  if (metric.pos_token === undefined || metric.neg_token === undefined) continue;
  Deno.test(`what is needed is what is read: ${name}`, async () => {
    for (const allLogits of [false, true]) {
      await using model = await loadModel(`recorded://${path}`, { threads: 1 });
      await using sae = await loadSae(`recorded://${asked.path}`, {
        hook: asked.hook,
        normScalingFactor: asked.norm_scaling_factor ?? undefined,
      });
      for (const spans of [seen.cost, seen.fetch]) spans.clear();
      const opened = new Map(seen.read);
      seen.read.clear();
      const needs = [...await model.needs({ tokens: tokens.length, allLogits }), ...sae.needs(tokens.length)];
      await priceOf(needs);
      // Of tables a few rows are read, which may be all that a tiny one has.
      await fetchNeeds(
        needs.filter(({ what }) => what === "blocks" || what === "encoder" || (what === "unembedding" && allLogits)),
      );
      await calculateFeatureAttribution(model, tokens, logitDiff(metric.pos_token!, metric.neg_token!), {
        saes: [sae],
        topPredictions: allLogits ? 3 : 0,
        diagnose: false,
      });
      for (const [file, spans] of opened) seen.cost.set(file, spans.reduce(addSpan, seen.cost.get(file) ?? []));
      assertWithin(seen.read, seen.cost, "read, and not said");
      assertWithin(seen.fetch, seen.read, "said, and not read");
    }
  });
}
