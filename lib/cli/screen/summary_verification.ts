/**
 * Attributions against exact ablation, in words.
 *
 * @module
 */
import type { HookVerification, VerifySummary } from "../../attribution/trust/verify.ts";
import type { Token } from "../../model/model.ts";
import { printable } from "../../table/terminal.ts";
import { count, plain, signed } from "../../report/figures.ts";
import { entry, type Page } from "./summary_layout.ts";
import { tokenName } from "../../report/words.ts";

/** One entry per SAE. */
export function verifyLines(summary: VerifySummary | undefined, tokens: readonly Token[], page: Page): string[] {
  const hooks = summary?.hooks ?? [];
  return hooks.map((hook) => {
    const name = hooks.length > 1 ? `${printable(hook.hook)}: ` : "";
    return entry("Verified", `${name}${verifyWords(hook, tokens)}`.split(" "), page);
  });
}

function verifyWords(found: HookVerification, tokens: readonly Token[]): string {
  const { rows, spearman_random: among, sign_agreement: { agree, of }, worst, noise_floor: floor } = found;
  const strongest = rows.filter(({ chosen }) => chosen === "strongest").length;
  if (worst === null) return "no feature has an attribution that could be compared";
  const random = among === null ? "" : ` (${share(among)} among the random ones)`;
  const place = `feature ${worst.feature} at ${tokenName(tokens[worst.position])} (${worst.position})`;
  return `the ${strongest} strongest and ${
    rows.length - strongest
  } random features removed one at a time: effects and ` +
    `attributions agree with Pearson ${share(found.pearson)}, Spearman ${share(found.spearman)}${random}, ` +
    `slope ${share(found.slope, 2)}; the sign agrees for ${agree} of ${count(of, "effect")} above the noise of ` +
    `${plain(floor)}; furthest off: ${place}, attribution ${signed(worst.attribution)}, effect ${
      signed(worst.effect)
    }; ` +
    jointWords(found, strongest);
}

function jointWords({ joint_ablation: { effect, sum_of_attributions: sum } }: HookVerification, n: number): string {
  return `removing the ${n} strongest at once takes ${
    signed(effect)
  } from the metric, where their attributions add up to ` +
    signed(sum);
}

const share = (value: number | null, digits = 3): string => value === null ? "none" : value.toFixed(digits);
