/**
 * What attributions were compared with, in words: exact ablation, finite differences, other prompts.
 *
 * @module
 */
import type { HookVerification, VerifySummary } from "../../attribution/trust/verify.ts";
import type { Token } from "../../model/model.ts";
import { printable } from "../../table/terminal.ts";
import type { CheckSummary, HookCheck } from "../../attribution/trust/check.ts";
import { count, percent, plain, signed } from "../../report/figures.ts";
import { entry, type Page } from "./summary_layout.ts";
import { tokenAt } from "../../report/words.ts";

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
  const place = `feature ${worst.feature} at ${tokenAt(tokens, worst.position)}`;
  return `the ${strongest} strongest and ${
    rows.length - strongest
  } random features removed one at a time: effects and ` +
    `attributions agree with Pearson ${share(found.pearson)}, Spearman ${share(found.spearman)}${random}, ` +
    `slope ${share(found.slope, 2)}; the sign agrees for ${agree} of ${count(of, "effect")} above the noise of ` +
    `${plain(floor)}; furthest off: ${place}, attribution ${signed(worst.attribution)}, effect ${
      signed(worst.effect)
    }; ` +
    jointWords(found, strongest) + reliabilityWords(found);
}

/** Whether the rows that the curvature flagged were wrong. */
function reliabilityWords({ reliability }: HookVerification): string {
  if (reliability === null) return "";
  const { known, flagged, flagged_wrong: right, wrong } = reliability;
  return `; of ${count(known, "row")} whose curvature is known it flagged ${flagged}, ${right} of them rightly ` +
    `(another sign, or off by more than a factor of 2), and ${wrong - right} of the others are wrong`;
}

function jointWords({ joint_ablation: { effect, sum_of_attributions: sum } }: HookVerification, n: number): string {
  return `removing the ${n} strongest at once takes ${
    signed(effect)
  } from the metric, where their attributions add up to ` +
    signed(sum);
}

const share = (value: number | null, digits = 3): string => value === null ? "none" : value.toFixed(digits);

/** A model for pictures too has hundreds of tensors that a text does not need. */
const MOST_UNUSED = 20;

/** One entry per SAE, and the files' tensors that nothing reads. */
export function checkLines(check: CheckSummary | undefined, page: Page): string[] {
  if (check === undefined) return [];
  const unused = Object.entries(check.not_used).map(([source, names]) => {
    const shown = names.slice(0, MOST_UNUSED).map(printable).join(", ");
    return `of ${printable(source)}: ${shown}${
      names.length > MOST_UNUSED ? ` and ${names.length - MOST_UNUSED} more` : ""
    }`;
  });
  return [
    ...check.hooks.map((hook) => entry("Check", checkWords(hook).split(" "), page)),
    ...unused.map((words) => entry("Not used", words.split(" "), page)),
  ];
}

function checkWords(
  { hook, gradient_central_difference: gradient, joint_ablation: joint, patching }: HookCheck,
): string {
  const derivative = gradient === null
    ? ""
    : `size of the gradient ${plain(gradient.analytic)}, by finite differences ${plain(gradient.numeric)} ` +
      `(${percent(gradient.relative_error)} apart); `;
  const effect = (
    what: string,
    { effect, sum_of_attributions: sum }: HookCheck["joint_ablation"],
    of: string,
  ): string => `${what} takes ${signed(effect)} from the metric, where ${of} add up to ${signed(sum)}`;
  if (!patching) return `${hook}: ${derivative}${effect("removing all features", joint, "their attributions")}`;
  const { whole_hook: whole, features } = patching;
  const all = effect("all features as in the baseline", joint, "their attributions");
  const everything = effect("the whole hook", whole, "features, bias and error");
  const one = features.map(({ position, feature, attribution, effect }) =>
    `${feature} at ${position}: ${signed(effect)} (attribution ${signed(attribution)})`
  );
  return `${hook}: ${derivative}${all}; ${everything}; the strongest features alone: ${one.join(", ")}`;
}
