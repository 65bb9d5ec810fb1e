/**
 * Which table of an attribution is wanted, and which of its rows and columns.
 *
 * @module
 */
import { LONG_COLUMNS, type LongColumn } from "../attribution/result/long_table.ts";
import type { PositionPart, Positions, RolePositions, Slice } from "../attribution/positions.ts";
import { nearestNames } from "../nearest_names.ts";
import { quote } from "../quote.ts";
import { type Field, type ValuesOf, valuesOf } from "./field.ts";
import { type REQUEST_FIELDS, type RequestValues, ROW_FIELDS } from "./fields.ts";
import { RequestError } from "./request_error.ts";

type RowValues = ValuesOf<typeof ROW_FIELDS>;

/** Table, rows and columns as asked for; what is left out is asked for in no particular way. */
export interface RowsRequest
  extends Pick<RowValues, "table">, Partial<Omit<RowValues, "table" | "positions" | "columns">> {
  readonly positions?: Positions;
  /** Undefined: position, feature, attribution; the hook and the kind where there are several. */
  readonly columns?: readonly LongColumn[];
}

/**
 * The rows that fields ask for.
 *
 * @throws {RequestError} if a slice or a column is not understood, or the table has no use for a field
 */
export function readRows(given: RequestValues): RowsRequest {
  const { table, positions, columns, ...plain } = valuesOf(ROW_FIELDS, given);
  const useless = Object.entries<Field>(ROW_FIELDS).find(([name, { tables }]) => {
    const value = given[name as keyof RowValues];
    return tables?.includes(table) === false && value !== undefined && value !== false;
  });
  if (useless !== undefined) {
    throw new RequestError(`\`${useless[0]}\` means nothing in \`table: "${table}"\`: leave one of them out`);
  }
  return {
    table,
    ...plain,
    positions: positions === undefined ? undefined : readPositions(positions, given),
    columns: columns === undefined ? undefined : readColumns(columns),
  };
}

/**
 * Positions, slices as Python writes them, and those in messages of a chat.
 *
 * @param name the field that has them
 * @throws {RequestError} if they are not understood, or there is no chat
 */
export function readPositions(
  text: string,
  chat: ChatValues,
  name: keyof typeof REQUEST_FIELDS = "positions",
): Positions {
  const parts = text.split(",").map((part) => readPart(part.trim()));
  if (parts.includes(undefined)) throw notPositions(text, name, "");
  const [first, ...more] = parts as PositionPart[];
  if (!isChat(chat) && parts.some(isInMessage)) throw notPositions(text, name, NO_CHAT);
  return typeof first === "number" || more.length > 0 ? [first, ...more] : first;
}

/**
 * One position: from the start, from the end when negative, or in a message.
 *
 * @throws {RequestError} if it is something else
 */
export function readPosition(text: string, chat: ChatValues, name: string): number | RolePositions {
  const part = readPart(text.trim());
  if (typeof part === "number") return part;
  const isOne = part !== undefined && isInMessage(part) && typeof part.at === "number";
  if (isOne && isChat(chat)) return part;
  throw new RequestError(
    `\`${name}\` is ${quote(text)}: write one position, such as 6 or -1, or user:3 in a chat's message${
      isOne ? NO_CHAT : ""
    }`,
  );
}

/** What makes a chat of a prompt. */
export type ChatValues = Pick<RequestValues, "chat" | "messages">;

const NO_CHAT = "; the prompt is no chat: add `chat` or `messages`";

const isChat = ({ chat, messages }: ChatValues): boolean => chat === true || messages !== undefined;

const isInMessage = (part?: PositionPart): part is RolePositions => typeof part === "object" && "role" in part;

function notPositions(text: string, name: string, why: string): RequestError {
  return new RequestError(
    `\`${name}\` is ${
      quote(text)
    }: write positions and A:B as Python does, such as 6, 2,6, 1:4, 1: or -3:, in a chat's ` +
      `message with its role before them, such as user:3${why}`,
  );
}

function readPart(text: string): PositionPart | undefined {
  const [, role, turn, rest] = /^([A-Za-z_][\w-]{0,99})(?:\.([+-]?\d{1,9}))?(?::(.*))?$/s.exec(text) ?? [];
  if (role === undefined) return readPlace(text);
  const at = rest === undefined ? undefined : readPlace(rest.trim());
  if (rest !== undefined && at === undefined) return undefined;
  return {
    role,
    ...(turn === undefined ? {} : { turn: Number(turn) }),
    ...(at === undefined ? {} : { at }),
  };
}

function readPlace(text: string): number | Slice | undefined {
  const [, start, colon, end] = /^([+-]?\d{1,9})?\s*(:)?\s*([+-]?\d{1,9})?$/.exec(text) ?? [];
  if (colon === undefined) return start === undefined || end !== undefined ? undefined : Number(start);
  const at = (part?: string): number | undefined => part === undefined ? undefined : Number(part);
  return { start: at(start), end: at(end) };
}

function readColumns(text: string): LongColumn[] {
  const names = text.split(",").map((name) => name.trim());
  for (const [i, name] of names.entries()) {
    if (!(LONG_COLUMNS as readonly string[]).includes(name)) {
      const [nearest] = nearestNames(name, LONG_COLUMNS, 1);
      throw new RequestError(
        `\`columns\` has no column ${quote(name)}: the nearest is ${nearest}, there are ${LONG_COLUMNS.join(", ")}`,
      );
    }
    if (names.indexOf(name) !== i) throw new RequestError(`\`columns\` names ${name} twice: name it once`);
  }
  return names as LongColumn[];
}
