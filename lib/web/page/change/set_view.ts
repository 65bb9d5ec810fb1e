/**
 * A set of features that is enough: searched for, measured, and edited by hand, after which it is measured again.
 *
 * @module
 */
import { focusedKey, h, showNumber, showPercent, showSigned, showToken } from "../../../report/client/mod.ts";
import { exactNumber, showCount, showText } from "../../../report/client/format.ts";
import { rowsOf } from "../../../report/client/figures.ts";
import { sideOf } from "../../../report/client/pieces.ts";
import type { ReportData } from "../../../report/report_data.ts";
import type { SetAnswer } from "../../jobs.ts";
import type { Changing } from "./feature_view.ts";
import { LastJob } from "./last_job.ts";

/** A feature at a position. */
interface Member {
  readonly position: number;
  readonly feature: number;
}

/** So many of the strongest make a set to begin with; so many rows are offered when one is added. */
const [STRONGEST, OFFERED] = [10, 200];

/** The set of one SAE. */
class SetView {
  readonly element = h("div", { class: "set" });
  readonly #changing: Changing;
  readonly #data: ReportData;
  readonly #sae: number;
  readonly #onFeature: (feature: number) => void;
  readonly #status = h("p", { class: "muted", role: "status" });
  readonly #result = h("div");
  readonly #stop = h("button", { type: "button", hidden: true, onclick: () => this.#job.stop() }, "Stop");
  readonly #job: LastJob;
  #asked = 0;

  constructor(changing: Changing, data: ReportData, sae: number, onFeature: (feature: number) => void) {
    this.#changing = changing;
    this.#data = data;
    this.#sae = sae;
    this.#onFeature = onFeature;
    this.#job = new LastJob(this.#status, changing.signal);
    const first = firstRows(data, sae, STRONGEST);
    const words = first.length < STRONGEST ? "Measure all of them" : `Measure the ${STRONGEST} strongest`;
    const strongest = h("button", { type: "button", onclick: () => this.#ask({ set: first }) }, words);
    this.element.append(
      h("div", { class: "change-controls" }, this.#searchForm(), strongest, this.#stop),
      this.#status,
      this.#result,
    );
  }

  #searchForm(): HTMLElement {
    const keep = h("input", {
      type: "number",
      min: "1",
      max: "100",
      step: "any",
      value: "90",
      "aria-label": "Per cent to keep",
    });
    const onsubmit = (event: Event): void => {
      event.preventDefault();
      if (keep.valueAsNumber > 0 && keep.valueAsNumber <= 100) void this.#ask({ keep: keep.valueAsNumber / 100 });
      else this.#job.say("Give a part from 1 to 100 per cent.");
    };
    return h(
      "form",
      { onsubmit },
      h("button", { type: "submit" }, "Find the smallest set"),
      h("label", {}, "that keeps ", keep, " %"),
    );
  }

  async #ask(asked: { readonly keep: number } | { readonly set: readonly Member[] }): Promise<void> {
    const { engine, question } = this.#changing;
    const { hook } = this.#data.saes[this.#sae];
    const mine = ++this.#asked;
    this.#stop.hidden = false;
    this.#result.dataset.stale = "yes";
    const answer = await this.#job.run((options) => engine.select({ ...question, hook, ...asked }, options));
    if (mine !== this.#asked) return; // another has begun
    this.#stop.hidden = true;
    delete this.#result.dataset.stale;
    if (answer !== undefined) this.#show(answer.set);
  }

  #show(set: SetAnswer): void {
    const members = set.features.map(({ position = 0, feature }) => ({ position, feature }));
    const focused = this.#result.contains(document.activeElement) ? focusedKey() : undefined;
    this.#result.replaceChildren(
      figureLine(set),
      set.reached === false ? h("p", { class: "muted" }, "No set of them comes up to what was asked for.") : "",
      h("ol", { class: "set-list" }, set.features.map((one, i) => this.#item(members, one.attribution, i))),
      this.#addForm(members),
    );
    if (focused === undefined) return;
    const next = this.#result.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`);
    (next ?? this.#result.querySelector("input"))?.focus({ preventScroll: true });
  }

  #item(members: readonly Member[], attribution: number, i: number): HTMLElement {
    const { position, feature } = members[i];
    const { labels } = this.#data.saes[this.#sae];
    const { text, id } = this.#data.tokens[position];
    const token = showToken(text, id);
    const name = labels[feature] === undefined ? `Feature ${feature}` : showText(labels[feature]);
    const drop = h("button", {
      type: "button",
      class: "drop",
      disabled: members.length === 1,
      "data-key": `drop ${i}`,
      "aria-label": `Drop feature ${feature} at ${token} (${position})`,
      onclick: () => this.#ask({ set: members.filter((_, other) => other !== i) }),
    }, "×");
    return h(
      "li",
      {},
      drop,
      h("span", { class: `number ${sideOf(attribution)}-text` }, showSigned(attribution)),
      h(
        "span",
        { class: "what" },
        h("button", { type: "button", class: "link", onclick: () => this.#onFeature(feature) }, name),
        " ",
        labels[feature] === undefined ? null : h("span", { class: "muted" }, `#${feature} `),
        h("bdi", { class: "token-text" }, token),
        h("sub", {}, String(position)),
      ),
    );
  }

  #addForm(members: readonly Member[]): HTMLElement {
    const isIn = (at: Member): boolean => members.some((one) => isSame(one, at));
    const offered = firstRows(this.#data, this.#sae, OFFERED).filter((at) => !isIn(at));
    const { labels } = this.#data.saes[this.#sae];
    const id = `set-rows-${this.#sae}`;
    const input = h("input", {
      list: id,
      "data-key": "add",
      "aria-label": "Feature to add, or feature@position",
      placeholder: "feature, or feature@position",
      autocomplete: "off",
      spellcheck: "false",
    });
    const options = offered.map(({ feature, position }) => {
      const token = this.#data.tokens[position];
      const label = `${labels[feature] ?? ""} at ${showToken(token.text, token.id)}`;
      return h("option", { value: `${feature}@${position}` }, showText(label.trim()));
    });
    const onsubmit = (event: Event): void => {
      event.preventDefault();
      const added = membersOf(input.value, this.#data, this.#sae);
      if (typeof added === "string") this.#job.say(added);
      else void this.#ask({ set: [...members, ...added.filter((at) => !isIn(at))] });
    };
    return h(
      "form",
      { class: "change-controls", onsubmit },
      h("button", { type: "submit" }, "Add"),
      input,
      h("datalist", { id }, options),
    );
  }
}

/** The part of the page. */
export function setPart(
  changing: Changing,
  data: ReportData,
  sae: number,
  onFeature: (feature: number) => void,
): HTMLElement {
  return new SetView(changing, data, sae, onFeature).element;
}

const isSame = (a: Member, b: Member): boolean => a.position === b.position && a.feature === b.feature;

/** The rows with the largest |attribution|. */
function firstRows({ saes }: ReportData, sae: number, most: number): Member[] {
  const { position, feature, attribution } = saes[sae].rows;
  const order = [...attribution.keys()].sort((i, k) => Math.abs(attribution[k]) - Math.abs(attribution[i]));
  return order.slice(0, most).map((i) => ({ position: position[i], feature: feature[i] }));
}

/** What a text names, `189` at every position or `189@6`; or what is wrong with it. */
export function membersOf(text: string, { saes, tokens }: ReportData, sae: number): Member[] | string {
  const [, number, place] = /^\s*#?(\d{1,9})(?:\s*@\s*(\d{1,7}))?\s*$/.exec(text) ?? [];
  if (number === undefined) return `“${text}” is no feature: give its number, or 12@3 for feature 12 at position 3.`;
  const { rows, rowsLeftOut, dSae } = saes[sae];
  const feature = Number(number);
  if (feature >= dSae) return `There is no feature ${feature}: the SAE has ${dSae.toLocaleString("en-US")}, from 0.`;
  const active = rowsOf(rows, feature).map((i) => rows.position[i]);
  if (place === undefined) {
    return active.length > 0
      ? active.map((position) => ({ position, feature }))
      : `Feature ${feature} is not active here.`;
  }
  const position = Number(place);
  if (position >= tokens.length) return `There is no position ${position}: the last is ${tokens.length - 1}.`;
  if (active.includes(position) || rowsLeftOut > 0) return [{ position, feature }];
  return `Feature ${feature} is not active at position ${position}.`;
}

/** `12 features keep 91 % (2.60 of 2.85); without them 7 % is left` */
function figureLine({ features, metric, metricNone, metricKept, kept, left }: SetAnswer): HTMLElement {
  const [part, whole] = [metricKept - metricNone, metric - metricNone];
  const [keep, them] = features.length === 1 ? ["keeps", "it"] : ["keep", "them"];
  const largest = Math.abs(whole);
  return h(
    "p",
    { class: "figures" },
    `${showCount(features.length, "feature")} ${keep} `,
    h("strong", { title: exactNumber(kept) }, showPercent(kept)),
    ` (${showNumber(part, largest)} of ${showNumber(whole, largest)}); without ${them} `,
    h("strong", { title: exactNumber(left) }, showPercent(left)),
    " is left.",
  );
}
