/**
 * `verify [FILE]`: does this program, on this machine, give the numbers that others have published?
 *
 * @module
 */
import { type CommandSpec, type ParsedCommand } from "../../args/args.ts";
import { type Command, defineCommand, type Given } from "../../args/command.ts";
import { UsageError } from "../../args/values.ts";
import { type Destination, FORMAT_OPTIONS, readDestination } from "../../args/options.ts";
import type { DeviceRequest } from "../../../request/request.ts";
import { DEVICE_OPTIONS } from "../../args/run_request.ts";

export interface VerifyRequest extends Pick<DeviceRequest, "device" | "threads"> {
  readonly quiet: boolean;
  /** A file of figures; undefined: the notebook's. */
  readonly file: string | undefined;
  /** Undefined: as the figures say. */
  readonly model: string | undefined;
  readonly sae: string | undefined;
  readonly destination: Destination;
}

const spec = {
  name: "verify",
  summary: "Compute published figures again and say which agree: rows of figure, published, computed, tolerance and\n" +
    "agrees. Without FILE, those that the notebook prints for gpt2-small and gpt2-small-res-jb, which are downloaded\n" +
    "(700 MB). Exits with 1 if one does not agree.",
  usage: "[FILE] [--model M] [--sae S] [options]",
  positionals: [{
    reads: true,
    name: "FILE",
    help:
      "figures as JSON: a request (model, saes, prompt, pos_token, neg_token …, metric_name for its metric), and of " +
      "metric, tokens, next_tokens, attributions, top_at_position and tolerances what there is, as in " +
      "models/verify/notebook.json",
    required: false,
  }],
  options: {
    model: { kind: "string", placeholder: "M", help: "a copy of the model that the figures are of" },
    sae: { kind: "string", placeholder: "S", help: "a copy of the SAE that the figures are of" },
    ...FORMAT_OPTIONS,
    ...DEVICE_OPTIONS,
  },
  examples: ["verify", "verify --model ./gpt2 --sae ./gpt2-small-res-jb/blocks.10.hook_resid_pre", "verify mine.json"],
} satisfies CommandSpec;

export const { run, parseRequest }: Command<VerifyRequest> = defineCommand({
  spec,
  read: readRequest,
  does: [new URL("../../runs/trust/verify.ts", import.meta.url), "verify"],
});

function readRequest(
  { positionals: [file], values }: ParsedCommand<typeof spec>,
  { isTerminal }: Given,
): VerifyRequest {
  if (file === "") throw new UsageError("FILE is empty: give the name of a file, or leave it out");
  const { model, sae, device, threads, quiet } = values;
  return {
    file,
    model,
    sae,
    device: device,
    threads,
    quiet,
    destination: readDestination(values, isTerminal),
  };
}
