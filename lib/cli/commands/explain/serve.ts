/**
 * `serve`: the local page.
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand, UsageError } from "../../args/args.ts";
import { type Command, defineCommand } from "../../args/command.ts";
import { quote } from "../../args/values.ts";
import { flagOf } from "../../../request/field.ts";
import { DEVICE_FIELDS } from "../../../request/fields.ts";
import { parseSae } from "../../../request/saes.ts";
import { DEVICES } from "../../../runtime/runtime.ts";

export interface ServeRequest {
  readonly hostname: string;
  /** Undefined: the usual one, or the next that is free. */
  readonly port: number | undefined;
  readonly allowedHosts: readonly string[];
  readonly model: string;
  readonly saes: readonly string[];
  readonly hub: boolean;
  readonly device: typeof DEVICES[number];
  readonly threads: number | undefined;
  /** Seconds; undefined: the server's. */
  readonly timeLimit: number | undefined;
  /** The static site, which asks no server. */
  readonly isStatic: boolean;
}

const spec = {
  name: "serve",
  summary: "Serve the page on this machine: type a prompt, click the answers, see which features speak for them.\n" +
    "The same as JSON is under /api, described in /api/openapi.json.",
  usage: "[--port N] [--model M] [--sae S]... [options]",
  positionals: [],
  options: {
    port: {
      kind: "integer",
      placeholder: "N",
      min: 0,
      max: 65535,
      help: "the port; 0: any; by default 8377 or the next",
    },
    host: {
      kind: "string",
      placeholder: "ADDRESS",
      default: "127.0.0.1",
      help: "the address to listen on; with any other than this machine's own, everybody who reaches it can use it",
    },
    allowHost: {
      kind: "string",
      multiple: true,
      placeholder: "NAME",
      help: "a name that the page may also be opened by, as behind a proxy",
    },
    model: {
      kind: "string",
      placeholder: "M",
      default: "tiny-facts",
      help: "the model that the page begins with; only here may it be a directory or URL",
    },
    sae: {
      kind: "string",
      multiple: true,
      placeholder: "S[@HOOK]",
      help: "an SAE that the page begins with; only here may it be a directory or URL",
    },
    hub: {
      kind: "boolean",
      negatable: true,
      help: "let the page choose public models and SAEs, which are downloaded then; so by default",
    },
    timeLimit: {
      kind: "integer",
      placeholder: "SECONDS",
      min: 1,
      max: 86_400,
      help: "how long a run may take, downloads aside, before it is ended; by default 600",
    },
    device: DEVICE_FIELDS.device,
    threads: DEVICE_FIELDS.threads,
    static: {
      kind: "boolean",
      help: "build the static site (.site/) and serve its files, as any host could: it computes in the browser",
    },
  },
  examples: ["serve", "serve --model gpt2 --sae gpt2-small-res-jb/blocks.10.hook_resid_pre", "serve --static"],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<ServeRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/explain/serve.ts", import.meta.url), "serve"],
});

/** What else there is to say of a static site: where it is. */
const OF_STATIC = ["static", "host", "port"];

function readRequest({ values, order }: ParsedCommand<typeof spec>): ServeRequest {
  const other = order.map(([name]) => name).find((name) => !OF_STATIC.includes(name));
  if (values.static && other !== undefined) {
    throw new UsageError(
      `--${flagOf(other)} is about a server's models, and --static serves files alone: leave out one of them`,
    );
  }
  for (const name of ["host", "model"] as const) {
    if (values[name] === "") throw new UsageError(`--${name} is empty: give one, or leave it out`);
  }
  for (const sae of values.sae) parseSae(sae);
  const bad = values.allowHost.find((name) => !/^[\w.-]+$/.test(name));
  if (bad !== undefined) {
    throw new UsageError(`--allow-host is ${quote(bad)}: give a name without scheme and port, such as lab.example.org`);
  }
  return {
    hostname: values.host,
    port: values.port,
    allowedHosts: values.allowHost,
    model: values.model,
    saes: values.sae,
    hub: values.hub ?? true,
    device: values.device as ServeRequest["device"],
    threads: values.threads,
    timeLimit: values.timeLimit,
    isStatic: values.static,
  };
}
