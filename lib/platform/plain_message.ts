/**
 * What the system and the JavaScript engine say, in words.
 *
 * @module
 */

/** What the engine says where there is no memory for an array, or no addresses for WebAssembly. */
const NO_MEMORY = /Array buffer allocation failed|WebAssembly\.Memory\(\): could not allocate memory/;

/**
 * An error's message, but in the words of the other errors where it is the system's own (`No such file or directory (os
 * error 2): readfile 'a'`), and with what to do where the engine has no memory.
 */
export function plainMessage({ message }: Error): string {
  if (NO_MEMORY.test(message)) {
    return message.replace(NO_MEMORY, (words) => `There is not enough memory (${words})`) +
      ": free some, or do less at once (fewer threads or workers, a shorter prompt, weights streamed)";
  }
  const [, reason, call] = /^([^\n]*?) \(os error \d+\)(?:: ([^\n]*))?/.exec(message) ?? [];
  if (reason === undefined) return message;
  const words = `${reason.charAt(0).toLowerCase()}${reason.slice(1)}`;
  return call === undefined ? words : `Cannot ${call}: ${words}`;
}
