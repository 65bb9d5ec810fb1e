/**
 * Feature attribution for language models: why this next token, in sparse-autoencoder features.
 *
 * @example
 * ```ts
 * import { calculateFeatureAttribution, loadModel, loadSae, logitDiff } from "./mod.ts";
 *
 * await using model = await loadModel("tiny-facts");
 * await using sae = await loadSae("tiny-facts/blocks.3.hook_resid_pre");
 * const prompt = " Tiger Woods plays the sport of";
 * const result = await calculateFeatureAttribution(model, prompt, logitDiff(" golf", " tennis"), { saes: [sae] });
 * console.log(result.rows(sae.hookOut).slice(0, 5));
 * ```
 *
 * @module
 */
// What the notebook does.
export {
  loadModel,
  type LoadModelOptions,
  type Model,
  type ModelParts,
  type Token,
  type TokenOptions,
} from "./lib/model/model.ts";
export type { GeneratedToken, GenerateOptions, GenerationEnd } from "./lib/model/generate/generate_types.ts";
export { KeyValueCache } from "./lib/model/stages/key_value_cache.ts";
export type { ChatMessage, ChatOptions, ChatPrompt, ChatTurn } from "./lib/model/chat/chat_types.ts";
export { loadSae, loadSaes, type LoadSaeSettings } from "./lib/sae/load.ts";
export type { Encoded, FeatureEncoders, Sae } from "./lib/sae/sae.ts";
export type {
  CrossLayer,
  Normalization,
  PursuitSettings,
  SaeConfig,
  SaeOverrides,
  TemporalSettings,
} from "./lib/sae/config.ts";
export type { ListedSettings } from "./lib/registry/entry.ts";
export { calculateFeatureAttribution, calculateFeatureAttributions } from "./lib/attribution/attribution.ts";
export {
  type AnswerAttribution,
  type AnswerOptions,
  type AnswerTarget,
  calculateAnswerAttribution,
} from "./lib/attribution/answer/answer.ts";
export { ANSWER_METRICS, type AnswerMetric } from "./lib/attribution/answer/answer_metrics.ts";
export type { AttributionOptions, Baseline } from "./lib/attribution/run/attribution_options.ts";
export { type AttributionGrads, calculateAttributionGrads } from "./lib/attribution/run/attribution_grads.ts";
export {
  applySaesAndRun,
  type ApplySaesAndRunOptions,
  type ApplySaesAndRunOutput,
} from "./lib/attribution/run/apply_saes.ts";
export type { Question } from "./lib/attribution/run/question.ts";
export type { BaselineRun, SaeBaseline } from "./lib/attribution/run/baseline.ts";
export type { ExactOptions } from "./lib/attribution/methods/ablation.ts";
export { findMethod, type Method, METHOD_NAMES, type MethodName } from "./lib/attribution/methods/mod.ts";
export { type Prediction, type PromptTest, testPrompt, type TestPromptOptions } from "./lib/attribution/run/predict.ts";
export {
  type GraphMetric,
  graphMetric,
  klToClean,
  logit,
  logitDiff,
  type LogitsFunction,
  logProb,
  loss,
  type Metric,
  type MetricContext,
  type MetricGraph,
  type MetricOptions,
  type MetricWords,
  prob,
  type ResolvedMetric,
  runnerUpLogitDiff,
  targetText,
  type TokenRef,
  type TokenSet,
  topTwoLogitDiff,
  weightedLogits,
} from "./lib/attribution/metric/metrics.ts";

// What it returns.
export type { Attribution } from "./lib/attribution/result/result.ts";
export type { AttributionParts } from "./lib/attribution/result/parts.ts";
export { UnalignedPromptsError } from "./lib/attribution/run/question.ts";
export type {
  AttributionRow,
  Decomposition,
  DirectEffect,
  SaeAttribution,
} from "./lib/attribution/result/sae_attribution.ts";
export type { Fit } from "./lib/attribution/result/fit.ts";
export type { SaeRun } from "./lib/attribution/run/sae_hooks.ts";
export type {
  BaselineSummary,
  DecompositionSummary,
  SaeSummary,
  Summary,
  TokenSummary,
} from "./lib/attribution/result/summary.ts";
export {
  type CentralDifference,
  checkAttribution,
  type CheckSummary,
  type HookCheck,
  type PatchedFeature,
  patchFeatures,
} from "./lib/attribution/trust/check.ts";
export {
  type AblatedFeature,
  ablateFeatures,
  ablateJointly,
  type AblationRow,
} from "./lib/attribution/change/ablation.ts";
export type { Ablation } from "./lib/attribution/change/ablated.ts";
export {
  evaluateFaithfulness,
  type FaithfulnessCurves,
  type FaithfulnessOptions,
  type FaithfulnessPoint,
} from "./lib/attribution/trust/faithfulness.ts";
export {
  type SelectedSet,
  selectFeatures,
  type SelectOptions,
  type SetFigures,
} from "./lib/attribution/sets/select.ts";
export {
  type FaithShapley,
  faithShapley,
  type FaithShapleyOptions,
  type InteractionOptions,
  type Interactions,
  interactions,
  type PairEffect,
  type SingleEffect,
} from "./lib/attribution/sets/interactions.ts";
export type { Estimate, PairEstimate } from "./lib/attribution/sets/shapley.ts";
export type { SetFeature } from "./lib/attribution/sets/candidates.ts";
export {
  type PromptsSet,
  selectForPrompts,
  type SelectForPromptsOptions,
} from "./lib/attribution/sets/select_prompts.ts";
export type { FeatureOrder, SetDirection, SetUnit } from "./lib/attribution/sets/names.ts";
export type {
  IntegratedGradient,
  Integration,
  IntegrationOptions,
} from "./lib/attribution/methods/integrated_gradients.ts";
export type { FeatureAt } from "./lib/attribution/run/contributions.ts";
export type { DownstreamError } from "./lib/attribution/change/downstream_error.ts";
export type { EffectOptions, VariantOptions } from "./lib/attribution/change/rerun.ts";
export type { Intervention, SteeredActivation } from "./lib/attribution/change/interventions.ts";
export type { InterventionKind } from "./lib/attribution/change/intervention_kinds.ts";
export type { SteeringVector } from "./lib/attribution/change/steering_vector.ts";
export { loadSteeringVector } from "./lib/attribution/change/load_vector.ts";
export {
  type SteeredText,
  type SteeredTexts,
  steerText,
  type SteerTextOptions,
} from "./lib/attribution/change/steer_text.ts";
export {
  steer,
  type Steered,
  type SteeredPrediction,
  steeredPredictions,
  type SteerOptions,
} from "./lib/attribution/change/steer.ts";
export {
  type HookVerification,
  type VerifiedRow,
  verifyAttribution,
  type VerifyOptions,
  type VerifySummary,
} from "./lib/attribution/trust/verify.ts";
export {
  type Explanations,
  LONG_COLUMNS,
  type LongColumn,
  type LongRow,
  longRows,
  longTable,
  type LongTableOptions,
  type RowKind,
} from "./lib/attribution/result/long_table.ts";
export type { PositionPart, Positions, RolePositions, Slice } from "./lib/attribution/positions.ts";
export { featureTable, positionTable } from "./lib/attribution/result/sum_tables.ts";
export { evaluateSae, type SaeEvals, type SaeEvalsOptions } from "./lib/attribution/evals/sae_evals.ts";
export type { ModelBehaviorPreservation, ModelPerformancePreservation } from "./lib/attribution/evals/downstream.ts";
export type { FeatureFigures, Sparsity } from "./lib/attribution/evals/features.ts";
export type { ReconstructionQuality, Shrinkage } from "./lib/attribution/evals/reconstruction.ts";
export {
  EDGE_COLUMNS,
  edgeTable,
  type EdgeTableOptions,
  type EdgeTarget,
  type FeatureEdges,
  featureEdges,
  type FeatureEdgesOptions,
  type HookFeature,
} from "./lib/attribution/circuits/feature_edges.ts";
export type { SourceKind, SourceNode } from "./lib/attribution/circuits/edge_sources.ts";
export type { LogitChoice } from "./lib/attribution/circuits/graph_logits.ts";
export {
  type AttributionGraph,
  attributionGraph,
  type AttributionGraphOptions,
  type GraphFeature,
  type GraphSum,
} from "./lib/attribution/circuits/attribution_graph.ts";
export {
  type Adjacency,
  type GraphScores,
  graphScores,
  nodeInfluence,
  prune as pruneGraph,
  type Pruned,
  type Thresholds,
} from "./lib/attribution/circuits/graph_influence.ts";
export {
  cantorPairing,
  type CircuitTracerGraph,
  type CircuitTracerLink,
  type CircuitTracerNode,
  type CircuitTracerOptions,
  toCircuitTracer,
} from "./lib/attribution/circuits/circuit_tracer.ts";
export { attributionTensors } from "./lib/attribution/result/save_tensors.ts";
export { emitPython } from "./lib/attribution/result/emit_python.ts";
export { toCsv } from "./lib/table/csv.ts";
export { toJson, toJsonLines } from "./lib/table/json.ts";
export type { Cell, Table } from "./lib/table/table.ts";

// What it shows.
export { displayed, type MediaBundle, toHtml } from "./lib/report/to_html.ts";
export type {
  NamedToken,
  ReportAnswer,
  ReportChangeCommands,
  ReportData,
  ReportDataOptions,
  ReportMethod,
  ReportMetric,
  ReportModel,
  ReportPrediction,
  ReportRecurring,
  ReportRows,
  ReportSae,
  ReportTarget,
  ReportToken,
} from "./lib/report/report_data.ts";
export type { FeatureCard, FeatureContext, NamedLogit } from "./lib/report/cards.ts";
export { type FeatureLogits, featureLogits, type TokenLogit } from "./lib/attribution/circuits/feature_logits.ts";

// What it is built from, for metrics and tools of one's own.
export * from "./lib/graph/mod.ts";
export { type OnnxOptions, outputName, toOnnx } from "./lib/runtime/onnx/encode.ts";
export type { ProcessingChoice } from "./lib/attribution/run/processing.ts";
export type { LazyLogits } from "./lib/attribution/metric/value.ts";
export type { ModelTokenizer } from "./lib/model/tokenizer.ts";
export type {
  BackwardOptions,
  Chain,
  ForwardRequest,
  ForwardState,
  GradientSeeds,
  PassOptions,
  Replacement,
  RerunOptions,
  WeightBinding,
} from "./lib/model/stages/chain.ts";
export type { WeightChoice } from "./lib/model/stages/binding.ts";
export type { Unembedding } from "./lib/model/stages/unembedding.ts";
export type { SaeRunOptions } from "./lib/attribution/run/run_options.ts";
export type { Constants, Device, Inputs, Runtime, RuntimeOptions, Session } from "./lib/runtime/runtime.ts";
export type { DeviceTensor, FloatTensor, Tensor, TensorData } from "./lib/runtime/tensor.ts";
export type { Normalized } from "./lib/sae/normalization.ts";
export type { Differences, SparseActivations } from "./lib/sae/sparse.ts";
export type { OpenOptions } from "./lib/registry/open.ts";
export type { DownloadProgress } from "./lib/weights/hub/hub.ts";
export type { FileSource } from "./lib/weights/files/source.ts";
export type { FloatMemory } from "./lib/weights/tensors/floats.ts";
export type { ByteRange } from "./lib/weights/files/ranges.ts";
export type { Dtype, TensorInfo, TensorPlace, TensorStore } from "./lib/weights/tensors/tensors.ts";
export type { Need } from "./lib/weights/tensors/needs.ts";
export type { Asked } from "./lib/model/weights/needs.ts";
export type { ReadCost } from "./lib/weights/files/file_source.ts";
export type {
  Architecture,
  BlockOptions,
  MaskSpec,
  ModelConfig,
  Processing,
  RotaryScaling,
  RotarySpec,
  StageGraph,
  WeightRef,
} from "./lib/model/architecture.ts";
export type { Inspect } from "./lib/inspect.ts";
export { VERSION } from "./lib/version.ts";
