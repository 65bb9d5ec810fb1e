/**
 * The form of what a report and the local page show.
 *
 * @module
 */
import type { Explanations } from "../attribution/result/long_table.ts";
import type { FeatureCard } from "./cards.ts";

/** Everything that is shown of one run. Plain JSON: numbers are finite or null, texts are raw and not yet escaped. */
export interface ReportData {
  /** Changes when a key changes its meaning. */
  readonly version: 1;
  /** The model and its form. */
  readonly model: ReportModel;
  /** The tokens of the run, in order. */
  readonly tokens: readonly ReportToken[];
  /** What was explained. */
  readonly metric: ReportMetric;
  /** The most probable next tokens, and then those of the metric's tokens that are not among them. */
  readonly predictions: readonly ReportPrediction[];
  /** After which token: the prompt's last where a continuation is explained, else the metric's last. */
  readonly predictionsPosition: number;
  /** The tokens of a continuation that is explained, each among the predictions after those before it. */
  readonly continuation: readonly ReportPrediction[];
  /** An answer of which each token is explained: everything else is about their metrics' sum then. */
  readonly answer?: ReportAnswer;
  /** How attributions were made. */
  readonly method: ReportMethod;
  /** With it the SAEs cannot change the output. */
  readonly errorTerm: boolean;
  /** One entry per SAE, in the order in which they run; empty while there is no result yet. */
  readonly saes: readonly ReportSae[];
  /** What the user should look at. */
  readonly warnings: readonly string[];
  /** The command line that makes the same run again; null where it is not known. */
  readonly command: string | null;
  /** The command lines that ask on about it; null where there are none. */
  readonly changeCommands: ReportChangeCommands | null;
  /** This program's version. */
  readonly program: string;
}

/** Command lines about the same run. */
export interface ReportChangeCommands {
  /** What the model says with other activations, to which ` --set FEATURE@POSITION=VALUE` is added. */
  readonly steer: string;
  /** The smallest set of features that carries it. */
  readonly select: string;
}

/** An answer, token by token. */
export interface ReportAnswer {
  /** How many of the tokens are the prompt's; the answer's follow. */
  readonly promptLength: number;
  /** Those that are explained, in order. */
  readonly targets: readonly ReportTarget[];
  /** By SAE, features among the ten strongest of several tokens, those of most tokens first. */
  readonly recurring: readonly (readonly ReportRecurring[])[];
}

/** One token of an answer, and what of a report is its own. */
export interface ReportTarget extends NamedToken {
  /** Its position in prompt and answer: it is explained by those before it. */
  readonly position: number;
  /** BOS, EOS, padding and the like. */
  readonly special: boolean;
  /** 0 is the most probable. */
  readonly rank: number;
  /** After the text before it. */
  readonly probability: number;
  /** What was explained. */
  readonly metric: ReportMetric;
  /** By SAE. */
  readonly saes: readonly Pick<ReportSae, "rows" | "rowsLeftOut" | "decomposition" | "errorShare" | "words">[];
}

/** A feature that speaks for or against several tokens. */
export interface ReportRecurring {
  /** Its index in the SAE. */
  readonly feature: number;
  /** The positions of the tokens. */
  readonly targets: readonly number[];
  /** Over all tokens and positions. */
  readonly attribution: number;
}

/** The model of a report. */
export interface ReportModel {
  /** What it was opened by. */
  readonly name: string;
  /** What outputs call it. */
  readonly description: string;
  /** `gpt2`, `llama` … */
  readonly family: string;
  /** The commit, of a model from the hub. */
  readonly revision: string | null;
  /** Its form, in words. */
  readonly processing: string;
}

/** One token of the prompt. */
export interface ReportToken {
  /** Its id in the vocabulary. */
  readonly id: number;
  /** Decoded alone; empty where the model has no tokenizer. */
  readonly text: string;
  /** BOS, EOS, padding and the like. */
  readonly special: boolean;
  /** The SAEs were left out here. */
  readonly excluded: boolean;
}

/** The metric in words and figures. */
export interface ReportMetric {
  /** The library's name, such as `logit_diff`. */
  readonly name: string;
  /** In words, such as `logit of ·golf - logit of ·tennis`. */
  readonly words: string;
  /** What a positive attribution speaks for: `for ·golf`. */
  readonly positive: string;
  /** What a negative one speaks for: `for ·tennis`, `against it`. */
  readonly negative: string;
  /** Where it reads, in words. */
  readonly place: string;
  /** As NumPy would write it. */
  readonly formula: string;
  /** Null where it is not finite. */
  readonly value: number | null;
  /** A logit difference as odds, in words. */
  readonly odds: string | null;
  /** The positions whose logits it reads. */
  readonly positions: readonly number[];
  /** Ids of the positive tokens, and their texts. */
  readonly positiveTokens: readonly NamedToken[];
  /** Ids of the negative tokens, and their texts. */
  readonly negativeTokens: readonly NamedToken[];
}

/** The method of a report. */
export interface ReportMethod {
  /** In words, and what activations are compared with. */
  readonly words: string;
  /** What one attribution is: `activation × gradient`. */
  readonly title: string;
  /** Activations are compared with a baseline. */
  readonly hasBaseline: boolean;
}

/** A token of the vocabulary. */
export interface NamedToken {
  /** Its id. */
  readonly id: number;
  /** Decoded alone. */
  readonly text: string;
}

/** One next token. */
export interface ReportPrediction {
  /** Its token id. */
  readonly id: number;
  /** Its text, decoded alone. */
  readonly token: string;
  /** 0 is the most probable. */
  readonly rank: number;
  /** Logit minus the vocabulary's mean. */
  readonly logit: number | null;
  /** Softmax over the vocabulary. */
  readonly probability: number;
  /** On which side of the metric it stands. */
  readonly side: "positive" | "negative" | null;
}

/** One SAE in the report. */
export interface ReportSae {
  /** Where it writes. */
  readonly hook: string;
  /** Where it reads; another hook for a transcoder. */
  readonly hookIn: string;
  /** What it was opened by. */
  readonly source: string;
  /** SAELens's name. */
  readonly architecture: string;
  /** How many features it has. */
  readonly dSae: number;
  /** `model/sae` on Neuronpedia; null where the SAE does not say. */
  readonly neuronpediaId: string | null;
  /** Rows by column, largest attribution first; ties by position, then feature. */
  readonly rows: ReportRows;
  /** Rows with a smaller |attribution| that are not in `rows`. */
  readonly rowsLeftOut: number;
  /** Per position: features + bias + error = total. */
  readonly decomposition: {
    readonly features: readonly number[];
    readonly bias: readonly number[];
    readonly error: readonly number[];
    readonly total: readonly number[];
  };
  /** |g·e| / (|Σ attribution| + |g·bias| + |g·e|) per position. */
  readonly errorShare: readonly number[];
  /** Active features per position. */
  readonly activeFeatures: readonly number[];
  /** The account in words. */
  readonly words: { readonly addsUp: string; readonly fit: string; readonly error: string };
  /** What features stand for, by feature; of those in `rows` that have a label. */
  readonly labels: Readonly<Record<string, string>>;
  /** What is known of the strongest features, by feature. */
  readonly cards: Readonly<Record<string, FeatureCard>>;
  /** Why the cards have no logits; null where they have. */
  readonly noLogits: string | null;
}

/** The long table by column; all columns have the same length. */
export interface ReportRows {
  /** The token, counted from 0. */
  readonly position: readonly number[];
  /** The feature's index in the SAE. */
  readonly feature: readonly number[];
  /** Never 0. */
  readonly activation: readonly number[];
  /** What the activation is compared with; where there is a baseline. */
  readonly baseline?: readonly number[];
  /** ∂metric/∂activation */
  readonly gradient: readonly number[];
  /** (Activation − baseline) × gradient, never 0. */
  readonly attribution: readonly number[];
  /** Whether it is the exact effect; where some can be. */
  readonly exact?: readonly boolean[];
  /** How much the gradient changes from here to where the feature is removed; where that was asked for. */
  readonly curvature?: readonly (number | null)[];
  /** The second-order estimate of the effect; where the curvature was asked for. */
  readonly secondOrder?: readonly (number | null)[];
  /** What of it goes straight to the metric; where that was asked for. */
  readonly directEffect?: readonly number[];
}

/** Options of {@linkcode reportData}. */
export interface ReportDataOptions {
  /** Texts for features; default: the SAEs' own labels. */
  readonly explanations?: Explanations;
  /** How many predictions. Default 10; 0: none, nor those of a continuation, and the logits of all tokens are not read. */
  readonly predictions?: number;
  /** The command line that makes the same run again; default: worked out from the result. */
  readonly command?: string;
  /** The form of the model in words, and why; default: its flags. */
  readonly processing?: string;
  /** Besides those of the result. */
  readonly warnings?: readonly string[];
  /** How a message with options in backquotes names them; default: as the library does. */
  readonly words?: (message: string) => string;
  /** How many features per SAE get a card (tokens that they raise and lower, contexts). Default 150; 0: none. */
  readonly cards?: number;
  /** The most rows per SAE, of the largest |attribution|. Default 20,000. */
  readonly rows?: number;
}
