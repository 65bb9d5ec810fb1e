/**
 * What only the opened SAEs show to be wrong with settings.
 *
 * @module
 */
import { checkDirectEffects } from "../attribution/run/direct_effect.ts";
import { RequestError } from "../request/request_error.ts";
import type { Sae } from "../sae/sae.ts";
import type { BatchSettings } from "./settings.ts";

/**
 * Refuses what would make every prompt fail.
 *
 * @throws {RangeError} if there is such a thing
 */
export function checkSettings(
  saes: readonly Sae[],
  { rows: { features }, directEffect }: BatchSettings,
): void {
  const most = Math.max(...saes.map(({ config }) => config.dSae));
  const beyond = features?.find((feature) => feature >= most);
  if (beyond !== undefined) {
    throw new RequestError(
      `there is no feature ${beyond}: the SAE has ${most}, give \`features\` from 0 to ${most - 1}`,
    );
  }
  if (directEffect) checkDirectEffects(saes);
}
