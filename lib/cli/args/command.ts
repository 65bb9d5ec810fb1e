/**
 * A command: what it takes, what that means, and what does it.
 *
 * @module
 */
import { inWords, RequestError, sayFlag } from "../../request/request_error.ts";
import { FIELD_GROUPS, REQUEST_FIELDS } from "../../request/fields.ts";
import type { Field } from "../../request/field.ts";
import { helpText } from "./help.ts";
import { type CommandSpec, parseCommand, type ParsedCommand, UsageError } from "./args.ts";
import { printData, stdoutScreen } from "../screen/output.ts";
import { checkOutputs } from "./outputs.ts";
import { expectedTokens, type PromptSource, STDIN } from "./prompt.ts";
import { installedNative } from "../../runtime/onnx/find_native.ts";
import type { Device } from "../../runtime/runtime.ts";

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
  /**
   * What does it. Where that needs much: a module and the name of its function, imported only then, so that help and errors
   * do not wait for it.
   */
  readonly does: ((request: Request) => Promise<void>) | readonly [module: URL, name: string];
  /** Finds before the work what else cannot be done. */
  check?(request: Request): Promise<void>;
  /**
   * It runs a model: the kernels are started while the rest is imported. A short prompt that runs many times over, as
   * copies or token after token, keeps all threads busy.
   */
  readonly startsModel?: boolean | "for many runs" | ((request: Request) => true | "for many runs");
}

/** A command, ready to run. */
export interface Command<Request> {
  run(args: readonly string[]): Promise<void>;
  /**
   * What a command line asks for.
   *
   * @throws {UsageError} if it cannot be understood
   */
  parseRequest(args: readonly string[], isTerminal?: boolean): Request;
}

export function defineCommand<S extends CommandSpec, Request extends object>(
  { spec, read, check, does, startsModel = false }: CommandDefinition<S, Request>,
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
      if (parsed.help) return await printData([helpText(spec, Math.min(100, width), FIELD_GROUPS)]);
      const request = readInFlags(parsed, { args, isTerminal });
      try {
        await checkOutputs(spec, parsed);
        await check?.(request);
        const starts = typeof startsModel === "function" ? startsModel(request) : startsModel;
        const asked = { prompt: STDIN, ...request } as unknown as StartRequest;
        const early: StartRequest = starts === "for many runs" ? { ...asked, prompt: STDIN } : asked;
        const perform = { ...request, ...(starts ? { threads: startEarly(early) } : {}) };
        await (typeof does === "function" ? does : (await import(does[0].href))[does[1]])(perform);
      } catch (error) {
        throw said(error);
      }
    },
    parseRequest: (args, isTerminal = stdoutScreen().isTerminal) =>
      readInFlags(parseCommand(spec, args), { args, isTerminal }),
  };
}

/** Up to so many tokens, more than one thread costs more to start than it saves. */
const SHORT_PROMPT_TOKENS = 48;

/** What decides how it starts. */
export interface StartRequest {
  readonly device: Device;
  readonly threads: number | undefined;
  readonly prompt: PromptSource;
}

/**
 * Begins to make the WebAssembly kernels and starts their threads, and returns the number of threads to run with: what
 * the user says, else one for a short prompt, else undefined (what the runtime takes by default).
 */
function startEarly({ device, threads, prompt }: StartRequest): number | undefined {
  if (device !== "wasm" && (device !== "auto" || installedNative().directory)) return threads;
  const chosen = threads ?? (isShort(prompt) ? 1 : undefined);
  // By a computed address: what is imported here is not waited for.
  import(new URL("../../runtime/wasm.ts", import.meta.url).href)
    .then(({ startWasm }: typeof import("../../runtime/wasm.ts")) => startWasm(chosen))
    .catch(() => {}); // reported when the model is opened
  return chosen;
}

function isShort(prompt: PromptSource): boolean {
  return prompt !== STDIN && expectedTokens(prompt) <= SHORT_PROMPT_TOKENS;
}

/**
 * A message of the library with its options as flags: "leave it out (`includeErrorTerm: false`)" as "leave it out
 * (--no-error-term)".
 *
 * @param options further ones, of one command
 */
export function inFlags(message: string, options: Readonly<Record<string, Field>> = {}): string {
  return inWords(message, { ...REQUEST_FIELDS, ...options }, sayFlag);
}
