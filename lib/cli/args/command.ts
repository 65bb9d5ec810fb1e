/**
 * A command: what it takes, what that means, and what does it.
 *
 * @module
 */
import { RequestError } from "../../request/request_error.ts";
import { inFlags } from "./flags.ts";
import { helpText } from "./help.ts";
import { type CommandSpec, parseCommand, type ParsedCommand, UsageError } from "./args.ts";
import { printData, stdoutScreen } from "../screen/output.ts";
import { checkOutputs } from "./outputs.ts";
import { STDIN } from "./prompt.ts";
import { startEarly, type StartRequest } from "../start_early.ts";

/** What else decides what a command line means. */
export interface Given {
  /** The command line, less the command's name. */
  readonly args: readonly string[];
  /** Standard output is one. */
  readonly isTerminal: boolean;
}

/** What a command is made of. */
export interface CommandDefinition<S extends CommandSpec, Request> {
  readonly spec: S;
  /**
   * What a command line asks for.
   *
   * @throws {UsageError | RequestError} if it cannot be understood
   */
  read(parsed: ParsedCommand<S>, given: Given): Request;
  /** The module whose function of that name does it: imported only then, so that help and errors do not wait for it. */
  readonly does: readonly [module: URL, name: string];
  /** Finds before the work what else cannot be done. */
  check?(request: Request): Promise<void>;
  /** It runs a model: the kernels are started while the rest is imported. */
  readonly startsModel?: boolean;
}

/** A command, ready to run. */
export interface Command<Request> {
  /** Runs a command line. */
  run(args: readonly string[]): Promise<void>;
  /**
   * What a command line asks for.
   *
   * @throws {UsageError} if it cannot be understood
   */
  parseRequest(args: readonly string[], isTerminal?: boolean): Request;
}

/** Makes a command. */
export function defineCommand<S extends CommandSpec, Request extends object>(
  { spec, read, check, does: [module, name], startsModel = false }: CommandDefinition<S, Request>,
): Command<Request> {
  /** The same error in the words of the command line. */
  const said = (error: unknown): unknown => {
    if (!(error instanceof Error)) return error;
    const message = inFlags(error.message, spec.options);
    if (error instanceof RequestError) return new UsageError(message);
    if (message !== error.message) error.message = message;
    return error;
  };
  const readInFlags = (parsed: ParsedCommand<S>, given: Given): Request => {
    try {
      return read(parsed, given);
    } catch (error) {
      throw said(error);
    }
  };
  return {
    async run(args) {
      const parsed = parseCommand(spec, args);
      const { width, isTerminal } = stdoutScreen();
      if (parsed.help) return await printData([helpText(spec, Math.min(100, width))]);
      const request = readInFlags(parsed, { args, isTerminal });
      try {
        await checkOutputs(spec, parsed);
        await check?.(request);
        const early = { prompt: STDIN, ...request } as unknown as StartRequest;
        const perform = { ...request, ...(startsModel ? { threads: startEarly(early) } : {}) };
        await (await import(module.href))[name](perform);
      } catch (error) {
        throw said(error);
      }
    },
    parseRequest: (args, isTerminal = stdoutScreen().isTerminal) =>
      readInFlags(parseCommand(spec, args), { args, isTerminal }),
  };
}
