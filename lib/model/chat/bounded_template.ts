/**
 * Rendering a template that nobody has read before: it comes with a model's files, and may be made to run for ever or to
 * fill memory. What it does is counted, not timed, so that the same template ends the same way on every machine.
 *
 * @module
 */
import { Environment, Interpreter, Template } from "../../deps/jinja.ts";

type Value = ReturnType<Interpreter["evaluate"]>;
type Node = Exclude<Parameters<Interpreter["evaluate"]>[0], undefined>;

/** Characters of a template; the longest public ones have some 30,000. */
const MOST_CHARACTERS = 2 ** 18;
/** Blanks in a row: the library's expressions take as many steps as the square of it. */
const MOST_BLANKS = 1000;
/** What a template may spend, besides what its input allows: a character costs 1. */
const BUDGET = 1e8;
/** An item of a list; evaluating anything; a pass of a loop, which makes scopes; a name without a value, which throws inside. */
const COSTS = { item: 50, step: 100, pass: 1000, unknown: 2000 } as const;
/** A template may look so often at all messages for each message. */
const LOOKS = 100;
/** Characters of one value while it is made, before it is. */
const MOST_MADE = 2 ** 28;
/** Characters of the text, besides those of the input, of which there may be several copies. */
const MOST_WRITTEN = 2 ** 20;
const COPIES = 20;
/** Lists in lists. */
const MOST_NESTED = 100;
/** Numbers of one range. */
const MOST_NUMBERS = 100_000;
const TOO_MANY_STEPS = "it takes too many steps";

/** A template that has been read. */
export interface BoundedTemplate {
  readonly program: Template["parsed"];
  /** Its characters. */
  readonly length: number;
}

/**
 * Reads a template.
 *
 * @throws {SyntaxError} if it is none
 * @throws {RangeError} if it is too long or nests too deeply
 */
export function readTemplate(text: string): BoundedTemplate {
  if (text.length > MOST_CHARACTERS) throw stopped(`it has more than ${MOST_CHARACTERS} characters`);
  if (new RegExp(`\\s{${MOST_BLANKS + 1}}`).test(text)) {
    throw stopped(`it has more than ${MOST_BLANKS} blanks in a row`);
  }
  return { program: withinStack(() => new Template(text).parsed), length: text.length };
}

/**
 * What a template writes.
 *
 * @param variables what it reads; `messages` is the input, by which its limits grow
 * @throws {RangeError} if it takes too many steps, makes too large values or writes too much
 */
export function renderTemplate(
  { program, length }: BoundedTemplate,
  { messages = [], ...others }: Readonly<Record<string, unknown>>,
): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries({ ...globals(), ...others, messages })) environment.set(name, value);
  const size = JSON.stringify([messages, others.tools ?? null]).length;
  const looks = LOOKS * (Array.isArray(messages) ? messages.length : 1);
  const interpreter = new BoundedInterpreter(environment, BUDGET + looks * size, length);
  const text = withinStack(() => interpreter.run(program).value as string);
  if (text.length > MOST_WRITTEN + COPIES * size) throw stopped(`it writes ${text.length} characters`);
  return text;
}

function stopped(what: string): RangeError {
  return new RangeError(`${what}: write the chat yourself and give it as plain text`);
}

/** A stack that is full is what deep nesting comes to. */
function withinStack<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError && /call stack/.test(error.message)) throw stopped("it nests too deeply");
    throw error;
  }
}

/** Spends on everything that is evaluated, and on its size. */
class BoundedInterpreter extends Interpreter {
  #left: number;
  readonly #templateLength: number;
  /** What loops go over. */
  readonly #iterables = new WeakSet<Node>();
  /** Operands and arguments whose values have been measured, until they are asked for. */
  readonly #measured = new Map<Node, Value>();
  /** What is written to the text. */
  readonly #written = new WeakSet<Node>();

  constructor(environment: Environment, budget: number, templateLength: number) {
    super(environment);
    this.#left = budget;
    this.#templateLength = templateLength;
  }

  override evaluate(node: Node | undefined, environment: Environment): Value {
    if (node === undefined) return super.evaluate(node, environment);
    const measured = this.#measured.get(node);
    if (measured !== undefined) {
      this.#measured.delete(node);
      return measured;
    }
    this.#spend(COSTS.step);
    this.#prepare(node, environment);
    const found: Value | undefined = super.evaluate(node, environment);
    const value = found ?? super.evaluate(undefined, environment); // the first of an empty list
    if (value.type === "UndefinedValue") this.#spend(COSTS.unknown);
    const size = weigh(value, this.#left);
    this.#spend(this.#iterables.has(node) ? size + COSTS.pass * itemsOf(value) : size);
    if (this.#written.has(node) && isStructure(value) && !NUMBERS.test(value.toString())) {
      throw stopped(`it writes ${STRUCTURES[value.type]} as it is`);
    }
    return value;
  }

  #spend(cost: number): void {
    this.#left -= cost;
    if (this.#left < 0) throw stopped(TOO_MANY_STEPS);
  }

  /** What a node costs that its value does not show. */
  #prepare(node: Parts, environment: Environment): void {
    for (const block of [node.body, node.alternate, node.defaultBlock]) {
      block?.forEach((statement) => this.#written.add(statement));
    }
    switch (node.type) {
      case "BinaryExpression":
        if (node.operator!.value === "+") this.#checkSum([node.left!, node.right!], environment);
        return;
      case "For":
        this.#iterables.add(
          node.iterable!.type === "SelectExpression" ? (node.iterable as Parts).lhs! : node.iterable!,
        );
        return;
      case "Macro":
      case "CallStatement":
        return this.#spend(this.#templateLength); // its body is searched
      case "FilterStatement":
        return this.#measure(undefined, (node.filter as Parts).args, environment);
      case "FilterExpression":
        return this.#measure(node.operand, (node.filter as Parts).args, environment);
      case "CallExpression":
        if (node.callee!.type === "MemberExpression") {
          this.#measure((node.callee as Parts).object, node.args, environment);
        }
    }
  }

  /** The library writes a list that is added to a text as JSON; Python refuses it, and the chat with it. */
  #checkSum(operands: readonly Node[], environment: Environment): void {
    const values = operands.map((one) => this.evaluate(one, environment));
    const structure = values.find(isStructure);
    if (structure !== undefined && values.some(({ type }) => type === "StringValue")) {
      throw stopped(`it adds ${STRUCTURES[structure.type]} to a text`);
    }
    operands.forEach((one, i) => this.#measured.set(one, values[i]));
  }

  /**
   * A filter or method may make as much as its operand's size times that of its arguments (`replace`, `join`, `indent`,
   * `tojson`): they are evaluated and measured before it is called.
   *
   * @param operand undefined: a block, which is not there yet
   */
  #measure(operand: Node | undefined, args: readonly Parts[] | undefined, environment: Environment): void {
    if (args === undefined) return;
    const given = args.map((arg) =>
      (arg.type === "KeywordArgumentExpression" ? arg.value as Node : arg.argument) ?? arg
    );
    const values = given.map((one) => this.evaluate(one, environment));
    const sizes = values.map((one) => typeof one.value === "number" ? Math.abs(one.value) : weigh(one, MOST_MADE));
    const object = operand && this.evaluate(operand, environment);
    const size = object === undefined ? MOST_WRITTEN : weigh(object, MOST_MADE);
    if ((1 + size) * sizes.reduce((a, b) => a + b, 1) > MOST_MADE) throw stopped("it makes too large a value");
    given.forEach((one, i) => this.#measured.set(one, values[i]));
    if (operand !== undefined) this.#measured.set(operand, object!);
  }
}

/** Values that Jinja writes as Python does, and the library as JSON, which is the same of numbers alone. */
const STRUCTURES: Readonly<Record<string, string>> = {
  ArrayValue: "a list",
  TupleValue: "a list",
  ObjectValue: "a map",
};
const NUMBERS = /^[[\](), .\d-]*$/;
const isStructure = ({ type }: Value): boolean => Object.hasOwn(STRUCTURES, type);

/** The parts of the library's nodes, each of which has some. */
type Parts =
  & Node
  & {
    readonly [Name in "iterable" | "lhs" | "filter" | "operand" | "callee" | "object" | "argument" | "left" | "right"]?:
      Node;
  }
  & { readonly [Name in "body" | "alternate" | "defaultBlock"]?: readonly Node[] }
  & { readonly args?: readonly Parts[]; readonly value?: unknown; readonly operator?: { readonly value: string } };

/**
 * Characters and items of a value, on all levels.
 *
 * @param most where counting ends
 * @throws {RangeError} if there are more, or lists in lists in lists …
 */
function weigh(value: Value, most: number): number {
  let size = 0;
  const visit = ({ value: held }: Value, depth: number): void => {
    size += COSTS.item + (typeof held === "string" ? held.length : 0);
    if (size > most) throw stopped(TOO_MANY_STEPS);
    if (depth > MOST_NESTED) throw stopped("it nests too deeply");
    if (held instanceof Map) { for (const key of held.keys()) size += key.length; }
    if (held instanceof Map || Array.isArray(held)) { for (const one of held.values()) visit(one, depth + 1); }
  };
  visit(value, 0);
  return size;
}

const itemsOf = ({ value }: Value): number =>
  value instanceof Map ? value.size : Array.isArray(value) ? value.length : 0;

/** What every template has; the library's own `range` takes any number, its `strftime_now` an unbounded time. */
function globals(): Record<string, unknown> {
  return {
    ...{ true: true, True: true, false: false, False: false, none: null, None: null },
    raise_exception: (message: string): never => {
      throw new Error(message);
    },
    range(start: number, stop?: number, step = 1): number[] {
      const [from, to] = stop === undefined ? [0, start] : [start, stop];
      const count = Math.ceil((to - from) / step);
      if (!(count <= MOST_NUMBERS)) throw stopped(`it asks for a range of ${count} numbers`);
      return Array.from({ length: Math.max(0, count) }, (_, i) => from + i * step);
    },
    strftime_now: (format: string): string => strftime(new Date(), format),
  };
}

const MONTHS = "January February March April May June July August September October November December".split(" ");

/** Python's strftime, as far as chat templates use it, in English. @throws {RangeError} on another directive */
function strftime(date: Date, format: string): string {
  const two = (n: number): string => String(n).padStart(2, "0");
  const month = MONTHS[date.getMonth()];
  const parts: Readonly<Record<string, string>> = {
    Y: String(date.getFullYear()),
    m: two(date.getMonth() + 1),
    d: two(date.getDate()),
    H: two(date.getHours()),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    b: month.slice(0, 3),
    B: month,
    "%": "%",
  };
  return format.replace(/%(.?)/gs, (whole, letter: string) => {
    if (Object.hasOwn(parts, letter)) return parts[letter];
    throw new RangeError(`it asks for ${JSON.stringify(whole)} of a date: give the variable that it reads instead`);
  });
}
