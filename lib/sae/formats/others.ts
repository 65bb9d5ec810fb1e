/**
 * The file formats of SAEs other than SAELens's. They are imported only where files are not SAELens's.
 *
 * @module
 */
import { circuitTracer } from "./circuit_tracer.ts";
import { crossLayer, gemmaScope2CrossLayer } from "./cross_layer.ts";
import { dictionaryLearning } from "./dictionary_learning.ts";
import type { SaeFormat } from "./format.ts";
import { gemmaScope } from "./gemma_scope.ts";
import { gemmaScope2 } from "./gemma_scope_2.ts";
import { llamaScope, llamaScopeR1 } from "./llama_scope.ts";
import { sparsify } from "./sparsify.ts";
import { temporal } from "./temporal.ts";
import { deepseekR1, goodfire, hookZ, qwenScope } from "./torch_files.ts";

/** They, in the order in which they are tried. */
export const OTHER_FORMATS: readonly SaeFormat[] = [
  gemmaScope,
  gemmaScope2CrossLayer,
  gemmaScope2,
  llamaScope,
  llamaScopeR1,
  dictionaryLearning,
  sparsify,
  hookZ,
  qwenScope,
  goodfire,
  deepseekR1,
  crossLayer,
  circuitTracer,
  temporal,
];
