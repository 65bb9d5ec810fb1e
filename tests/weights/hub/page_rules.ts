import type { FakeHub } from "./fake_hub.ts";

/**
 * Makes a fake hub as strict as browsers are with a page of another origin. Where the client is a browser it enforces
 * the same itself; here a request that it would not make is noted, and refused.
 *
 * @see https://fetch.spec.whatwg.org/#cors-safelisted-request-header
 */
export function keepPageRules(hub: FakeHub): { readonly broken: readonly string[] } {
  const broken: string[] = [];
  const { fault: others } = hub;
  hub.fault = (request, seen) => {
    const { headers, method } = request;
    // The hub itself says yes to being asked beforehand, and to a token; the storage does not.
    if (method === "OPTIONS") return new Response(null, { status: seen.at === "hub" ? 204 : 405 });
    const range = headers.get("range");
    const faults = [
      method !== "GET" && method,
      range !== null && !/^bytes=\d+-\d*$/.test(range) && `range ${range}`,
      [...headers.keys()].find((name) => name.startsWith("if-")),
      seen.at === "storage" && headers.has("authorization") && "authorization",
    ].filter((fault) => typeof fault === "string");
    if (faults.length === 0) return others(request, seen);
    broken.push(`${seen.at} ${seen.path}: ${faults.join(", ")}`);
    return new Response(null, { status: 400 });
  };
  hub.show = (response, request) => {
    const { body, status, headers } = response;
    const isAskedBefore = request.method === "OPTIONS" && status === 204;
    // Content-Type and Content-Length are what a page may read unless the server says more; a browser follows Location.
    const shown = ["content-type", "content-length", "location"];
    const kept = [...headers].filter(([name]) => shown.includes(name));
    const allowed = isAskedBefore ? [["access-control-allow-headers", "authorization, range"]] : [];
    return new Response(body, {
      status,
      headers: [["access-control-allow-origin", "*"], ...allowed, ...kept] as [string, string][],
    });
  };
  return { broken };
}
