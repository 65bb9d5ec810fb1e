/**
 * A process of its own for what may print, crash or hang.
 *
 * @module
 */

/**
 * What a script prints that runs in a process of its own, whose standard error nobody hears and whose end nobody minds;
 * undefined where none may be started, or it takes longer than `milliseconds`.
 */
export async function askChild(script: string, milliseconds: number): Promise<string | undefined> {
  if (typeof Deno === "undefined") return undefined;
  const command = Deno.execPath();
  const { state } = await Deno.permissions.query({ name: "run", command });
  if (state !== "granted") return undefined;
  try {
    const child = new Deno.Command(command, {
      args: ["eval", "--no-config", "--no-lock", script],
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(milliseconds),
    });
    return new TextDecoder().decode((await child.output()).stdout);
  } catch {
    return undefined; // it could not be started
  }
}
