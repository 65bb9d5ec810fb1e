import assert from "node:assert/strict";
import { type Field, jsonNameOf } from "../../lib/request/field.ts";
import { REQUEST_FIELDS } from "../../lib/request/fields.ts";
import type { FieldName } from "../../lib/request/json.ts";
import { REFUSED } from "../../lib/request/refused.ts";
import { openApiText } from "../../lib/web/api/openapi.ts";
import { assetPaths } from "../../lib/web/assets.ts";
import { apiPaths } from "../../lib/web/handler.ts";
import { readSelect, readSteer } from "../../lib/web/change/requests.ts";
import { readAttribute, readPredict } from "../../lib/web/job_requests.ts";
import api from "../../lib/web/api/openapi.json" with { type: "json" };
import { post, startServer } from "./ask.ts";
import { Ajv2020 } from "./deps.ts";

/** The same with nothing allowed that is not described. */
function closed(schema: unknown): unknown {
  return JSON.parse(
    JSON.stringify(schema),
    (_, value) =>
      value?.type === "object" && value.properties !== undefined ? { additionalProperties: false, ...value } : value,
  );
}

/** A test of a value against one of the description's schemas. */
async function schemaTest(): Promise<(name: string, value: unknown) => void> {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addSchema({ $id: "api", ...closed(api) as object });
  return await Promise.resolve((name, value) => {
    const validate = ajv.compile({ $ref: `api#/components/schemas/${name}` });
    assert.ok(validate(value), `${name}: ${ajv.errorsText(validate.errors)}`);
  });
}

Deno.test("the description has the paths that there are", () => {
  const described = Object.keys(api.paths).sort();
  assert.deepEqual(described, [...apiPaths(), ...assetPaths().filter((path) => path.startsWith("/api/"))].sort());
});

Deno.test("the description is what the table of fields makes: deno task openapi writes it anew", async () => {
  const file = new URL("../../lib/web/api/openapi.json", import.meta.url);
  assert.equal(await Deno.readTextFile(file), openApiText());
});

Deno.test("the fields that are described are those that are read", () => {
  const { PredictRequest, AttributeRequest, SteerRequest, SelectRequest } = api.components.schemas;
  const cases = [
    ["/api/predict", PredictRequest, readPredict],
    ["/api/attribute", AttributeRequest, readAttribute],
    ["/api/steer", SteerRequest, readSteer],
    ["/api/select", SelectRequest, readSelect],
  ] as const;
  for (const [path, schema, read] of cases) {
    const asked = new Set<string>();
    const interventions = [{ feature: 3, position: "all", how: "set", value: 0 }];
    const fields: Record<string, unknown> = { prompt: "a", ...(read === readSteer ? { interventions } : {}) };
    const watched = new Proxy(fields, {
      getOwnPropertyDescriptor(target, name) {
        asked.add(String(name));
        return Reflect.getOwnPropertyDescriptor(target, name);
      },
    });
    read(watched, { model: "a model", saes: () => [{ source: "an SAE" }] });
    const refused = Object.keys(REFUSED[path]).map((name) =>
      jsonNameOf(name, REQUEST_FIELDS[name as FieldName] as Field)
    );
    const taken = [...asked].filter((name) => !refused.includes(name));
    assert.deepEqual(taken.sort(), Object.keys(schema.properties).sort());
  }
});

Deno.test("answers are as described", async () => {
  await using server = await startServer();
  const check = await schemaTest();
  const get = async (path: string) => await (await fetch(`http://127.0.0.1:${server.port}${path}`)).json();
  check("Status", await get("/api/status"));
  for (const choice of (await get("/api/models?limit=5")).models) check("Choice", choice);
  for (const choice of (await get("/api/saes?limit=5")).saes) check("Choice", choice);
  const examples = [
    ["/api/predict", "PredictRequest", "Prediction"],
    ["/api/attribute", "AttributeRequest", "Report"],
    ["/api/steer", "SteerRequest", "Steered"],
    ["/api/select", "SelectRequest", "Set"],
  ] as const;
  for (const [path, request, answer] of examples) {
    const { example } = api.paths[path].post.requestBody.content["application/json"];
    check(request, example);
    const response = await post(server, path, example);
    assert.equal(response.status, 200);
    check(answer, await response.json());
    const stream = await post(server, path, example, { headers: { accept: "application/x-ndjson" } });
    for (const line of (await stream.text()).trimEnd().split("\n")) check("Event", JSON.parse(line));
  }
  check("Error", await (await post(server, "/api/predict", {})).json());
});
