/**
 * Which positions of a prompt are meant.
 *
 * @module
 */
import type { ChatTurn } from "../model/chat/chat_types.ts";
import { checkOptions } from "../options.ts";
import { quote } from "../quote.ts";

/**
 * A position of a prompt, from the start.
 *
 * @param position from the end when negative
 * @param what it is called in the message
 * @throws {RangeError} if the prompt has no such position
 */
export function resolvePosition(position: number, tokens: number, what = "Position"): number {
  const at = position < 0 ? tokens + position : position;
  if (Number.isInteger(at) && at >= 0 && at < tokens) return at;
  throw new RangeError(`${what} ${position} is not in a prompt of ${tokens} tokens`);
}

/** Positions as Python slices them: from the end when negative, a missing end is open. */
export interface Slice {
  /** The first; default 0. */
  readonly start?: number;
  /** The one after the last; default the end. */
  readonly end?: number;
}

/**
 * Tokens of a message of a chat, spaces around its content aside: the position counts in the message. `{ role: "user", at: 3 }`
 * is written `user:3`, `{ role: "user", turn: 0, at: { start: 1 } }` is `user.0:1:`.
 */
export interface RolePositions {
  /** As the message says it. */
  readonly role: string;
  /** Which of the role's messages, 0 the first, from the end when negative. Default the last. */
  readonly turn?: number;
  /** Which of its tokens, from the end when negative. Default all. */
  readonly at?: number | Slice;
}

/** A single position (from the end when negative), a slice, or positions in a message. */
export type PositionPart = number | Slice | RolePositions;

/** A slice, or single positions and slices together, and those of messages. */
export type Positions = Slice | RolePositions | readonly PositionPart[];

/** What positions are of. */
export interface Positioned {
  /** How many tokens. */
  readonly length: number;
  /** Of a chat, its messages in them. */
  readonly turns?: readonly ChatTurn[];
}

/** A run's tokens. */
export function placesOf(
  { tokens, turns }: { readonly tokens: readonly unknown[]; readonly turns: readonly ChatTurn[] },
): Positioned {
  return { length: tokens.length, turns };
}

/** The positions of a prompt that are meant, ascending; what is beyond its ends is left out, as Python's slices do. */
export function positionsIn(positions: Positions, of: Positioned): number[] {
  return [...new Set(partsOf(positions).flatMap((part) => positionsOf(part, of)))].sort((a, b) => a - b);
}

/**
 * @throws {RangeError} if a position is not in `what` of so many tokens, or a slice has none of its positions; if the chat
 * has no such message, or its template changed it
 */
export function checkPositions(positions: Positions, of: Positioned, what = "a prompt"): void {
  const empty = partsOf(positions).find((part) => positionsOf(part, of).length === 0);
  if (empty === undefined) return;
  const { length, turns = [] } = of;
  const inside = `${what} of ${length} tokens has 0 to ${length - 1}, or -${length} to -1`;
  if (typeof empty === "number") throw new RangeError(`There is no position ${empty}: ${inside}`);
  if (!("role" in empty)) throw new RangeError(`The slice ${quote(sliceText(empty))} has no position: ${inside}`);
  const { start, end } = turnOf(empty, turns);
  const isThere = positionsOf(empty.at ?? {}, { length: end - start }).length > 0;
  const there = isThere
    ? `that is somewhere else in the chat`
    : end > start
    ? `the message has ${end - start} tokens`
    : "the message has no tokens";
  throw new RangeError(`There is no position ${quote(partText(empty))} in ${what}: ${there}`);
}

/** A part as it is written: `3`, `1:4`, `user.0:3`. */
export function partText(part: PositionPart): string {
  if (typeof part === "number") return `${part}`;
  if (!("role" in part)) return sliceText(part);
  const { role, turn, at } = part;
  const tokens = at === undefined ? "" : `:${typeof at === "number" ? at : sliceText(at)}`;
  return `${role}${turn === undefined ? "" : `.${turn}`}${tokens}`;
}

function sliceText({ start, end }: Slice): string {
  return `${start ?? ""}:${end ?? ""}`;
}

/** @throws {TypeError} if they are no object, such as a text or a number */
function partsOf(positions: Positions): readonly PositionPart[] {
  if (typeof positions !== "object" || positions === null) {
    throw new TypeError(
      `The positions are ${quote(positions)}: give a list such as [2, -1], or a slice { start, end }`,
    );
  }
  return "length" in positions ? positions : [positions];
}

function positionsOf(part: PositionPart, { length, turns = [] }: Positioned): number[] {
  const fromStart = (index: number): number => index < 0 ? length + index : index;
  if (typeof part === "number") return [fromStart(part)].filter((at) => at >= 0 && at < length);
  if ("role" in part) {
    checkOptions<RolePositions>("positions of a message", part, { role: "any", turn: "any", at: "any" });
    const { start, end } = turnOf(part, turns);
    const inTurn = positionsOf(part.at ?? {}, { length: end - start });
    return inTurn.map((at) => start + at).filter((at) => at >= 0 && at < length);
  }
  checkOptions<Slice>("a slice of positions", part, { start: "any", end: "any" });
  const at = (index: number): number => Math.min(length, Math.max(0, fromStart(index)));
  const first = at(part.start ?? 0);
  return Array.from({ length: Math.max(0, at(part.end ?? length) - first) }, (_, i) => first + i);
}

/** @throws {RangeError} if there is no such message, or nobody knows where it is */
function turnOf(part: RolePositions, turns: readonly ChatTurn[]): Required<Pick<ChatTurn, "start" | "end">> {
  const { role, turn = -1 } = part;
  const name = quote(partText(part));
  if (turns.length === 0) {
    throw new RangeError(`The position ${name} is of a chat's message, and the prompt is no chat: count in the prompt`);
  }
  const own = turns.filter((one) => one.role === role);
  if (own.length === 0) {
    const roles = [...new Set(turns.map((one) => one.role))].join(", ");
    throw new RangeError(`There is no position ${name}: the chat has no message of that role, it has ${roles}`);
  }
  const found = own.at(turn);
  if (found === undefined) {
    throw new RangeError(
      `There is no position ${name}: the chat has ${own.length} of that role, 0 to ${own.length - 1}`,
    );
  }
  const { start, end } = found;
  if (start !== undefined && end !== undefined) return { start, end };
  throw new RangeError(
    `The position ${name} cannot be found: the chat template changed or left out that message; count in the prompt`,
  );
}

/** A chat's turns in a text of so many tokens: an open one goes on to the end, and is none where nothing is said. */
export function turnsOf(turns: readonly ChatTurn[], length: number): ChatTurn[] {
  return firstTokens(
    turns.map((turn) => turn.isOpen && turn.end !== undefined ? { ...turn, end: length } : turn),
    length,
  )
    .filter(({ isOpen, start, end }) => !isOpen || start === undefined || end! > start);
}

/** Turns in the first tokens alone. */
export function firstTokens(turns: readonly ChatTurn[], length: number): ChatTurn[] {
  return turns.map((turn) =>
    turn.start === undefined ? turn : { ...turn, start: Math.min(turn.start, length), end: Math.min(turn.end!, length) }
  );
}

/** Turns counted from a token on; those before it have negative positions. */
export function fromToken(turns: readonly ChatTurn[], first: number): ChatTurn[] {
  return turns.map((turn) =>
    turn.start === undefined ? turn : { ...turn, start: turn.start - first, end: turn.end! - first }
  );
}

/** By position, its name in its message: `user:3` in the role's last message, `user.0:3` in the first of several. */
export function positionNames(turns: readonly ChatTurn[]): (string | undefined)[] {
  const names: (string | undefined)[] = [];
  for (const [role, own] of Map.groupBy(turns, (turn) => turn.role)) {
    for (const [turn, { start = 0, end = 0 }] of own.entries()) {
      const which = turn === own.length - 1 ? {} : { turn };
      for (let at = start; at < end; at++) names[at] ??= partText({ role, ...which, at: at - start });
    }
  }
  return names;
}
