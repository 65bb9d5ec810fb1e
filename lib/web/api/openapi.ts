/**
 * The description of the API: `deno task openapi` writes it to openapi.json, which the server sends.
 *
 * @module
 */
import { writeFileAtomic } from "../../table/write_file.ts";
import { fromFileUrl } from "../../weights/files/places.ts";
import { ANSWER_SCHEMAS } from "./answers.ts";
import { REQUEST_SCHEMAS } from "./requests.ts";
import { list, named, object, type Schema, TEXT } from "./schema.ts";

const FAILURES = {
  400: "A field is wrong, or what it asks for cannot be done",
  403: "Asked by another site, or for something that is not offered",
  404: "The model or SAE is not there",
  413: "The body is longer than 256 KiB",
  415: "The body is not sent as application/json",
  421: "Asked for under a name that is not this server's",
  429: "Too many requests of this client are waiting",
  500: "The run failed",
  502: "A server that files are read from does not answer",
  503: "Too many requests are waiting",
  504: "The run took longer than the server allows and was ended",
} as const;

type Status = keyof typeof FAILURES;

const ALL_FAILURES = Object.keys(FAILURES).map(Number) as Status[];

const SEARCH = parameter("search", "query", TEXT, "Words that must be in the name");
const LIMIT = parameter(
  "limit",
  "query",
  { type: "integer", minimum: 1, maximum: 1000 },
  "At most so many; default 50",
);
const CLIENT = parameter(
  "X-Client",
  "header",
  TEXT,
  "Names one of several clients on a machine; the limit of waiting requests is for each.",
);

const WORDS = parameter(
  "X-Words",
  "header",
  { ...TEXT, enum: ["properties", "backquotes"] },
  "How messages name fields: as properties (default), or by the module's names in backquotes, for programs that say them in words of their own.",
);

/** The description as OpenAPI 3.1. */
function openApi(): Schema {
  return {
    openapi: "3.1.0",
    info: {
      title: "sae-attribution",
      version: "1",
      license: { name: "MIT", identifier: "MIT" },
      description:
        "Why a language model predicts its next token, in features of sparse autoencoders (SAEs). Served by " +
        "`cli.ts serve` on this machine. Jobs run one after another; closing the connection gives a job up. With " +
        "`Accept: application/x-ndjson` a job's answer comes as lines of JSON, each an Event: its place in the queue, " +
        "progress, and last the answer or an error.",
    },
    paths: {
      "/api/status": {
        get: {
          summary: "What the server offers, and how busy it is",
          responses: answers("Its state", { "application/json": named("Status") }),
        },
      },
      "/api/models": listing("Models to choose from", "models", [SEARCH, LIMIT]),
      "/api/saes": listing("SAEs to choose from", "saes", [
        parameter("model", "query", TEXT, "Only those for this model"),
        { ...SEARCH, description: "Words that must be in the name, hook, repository or Neuronpedia id" },
        LIMIT,
      ]),
      "/api/predict": job("The next-token table", "PredictRequest", {
        prompt: " Tiger Woods plays the sport of",
        top: 3,
        answer: " tennis",
      }, answers("The prediction", { "application/json": named("Prediction"), ...STREAM }, ALL_FAILURES)),
      "/api/attribute": job(
        "Feature attribution",
        "AttributeRequest",
        {
          prompt: " Tiger Woods plays the sport of",
          metric: { positive: [" golf"], negative: [" tennis"] },
          cards: 3,
        },
        answers("The report, or the rows that the command line writes", {
          "application/json": named("Report"),
          "text/csv": TEXT,
          "application/vnd.apache.parquet": {},
          ...STREAM,
        }, ALL_FAILURES),
      ),
      "/api/steer": job("What the model says with other activations of features", "SteerRequest", {
        prompt: " Tiger Woods plays the sport of",
        metric: { positive: [" golf"], negative: [" tennis"] },
        interventions: [{ feature: 189, position: "all", how: "set", value: 0 }],
        top: 3,
      }, answers("Before and after", { "application/json": named("Steered"), ...STREAM }, ALL_FAILURES)),
      "/api/select": job(
        "The smallest set of features that carries a prediction, or what a given one does",
        "SelectRequest",
        {
          prompt: " Tiger Woods plays the sport of",
          metric: { positive: [" golf"], negative: [" tennis"] },
          size: 3,
        },
        answers("The set and its figures", { "application/json": named("Set"), ...STREAM }, ALL_FAILURES),
      ),
      "/api/openapi.json": {
        get: {
          summary: "This description",
          responses: answers("OpenAPI 3.1", { "application/json": { type: "object" } }),
        },
      },
    },
    components: { schemas: { ...ANSWER_SCHEMAS, ...REQUEST_SCHEMAS } },
  };
}

/** As the file has it. */
export function openApiText(): string {
  return `${JSON.stringify(openApi(), undefined, 2)}\n`;
}

const STREAM = { "application/x-ndjson": named("Event") };

function parameter(name: string, place: string, schema: Schema, description: string): Schema {
  return { name, in: place, required: false, schema, description };
}

function listing(summary: string, what: string, parameters: readonly Schema[]): Schema {
  const schema = object({ [what]: list(named("Choice")) });
  const responses = answers("What there is, local things first", { "application/json": schema }, [400, 429, 503]);
  return { get: { summary, parameters, responses } };
}

function job(summary: string, request: string, example: unknown, responses: Schema): Schema {
  const requestBody = { required: true, content: { "application/json": { schema: named(request), example } } };
  return { post: { summary, parameters: [CLIENT, WORDS], requestBody, responses } };
}

function answers(
  description: string,
  content: Readonly<Record<string, Schema>>,
  failures: readonly Status[] = [],
): Schema {
  const schemas = Object.entries(content).map(([type, schema]) => [type, { schema }]);
  const retry = { "Retry-After": { description: "Seconds", schema: { type: "integer" } } };
  return {
    200: { description, content: Object.fromEntries(schemas) },
    ...Object.fromEntries(failures.map((status) => [status, {
      description: FAILURES[status],
      ...(status === 429 || status === 503 ? { headers: retry } : {}),
      content: { "application/json": { schema: named("Error") } },
    }])),
  };
}

if (import.meta.main) await writeFileAtomic(fromFileUrl(new URL("openapi.json", import.meta.url)), [openApiText()]);
