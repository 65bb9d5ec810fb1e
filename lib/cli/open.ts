/**
 * Opening what a command runs on.
 *
 * @module
 */
import { open, type Opened, type OpenRequest } from "../request/open.ts";
import type { DownloadProgress } from "../weights/hub/progress.ts";
import type { Screen } from "./screen/output.ts";
import { expectedTokens, type PromptSource, STDIN } from "./args/prompt.ts";
import { withDownloadProgress, withProgress } from "./screen/progress.ts";

/** What a command runs on. */
export interface ShownRequest extends Omit<OpenRequest, "tokens"> {
  /** What runs, as far as is known before it is tokenized. */
  readonly prompts?: readonly PromptSource[];
  /** The same of a single one. */
  readonly prompt?: PromptSource;
}

/** Opens it with a line on the terminal while that lasts, which tells of downloads how far they are. */
export async function openShown(
  { prompt = STDIN, prompts = [prompt], ...request }: ShownRequest,
  screen: Screen,
): Promise<Opened> {
  const tokens = prompts.map(expectedTokens);
  let isOpening = true;
  try {
    return await withDownloadProgress(screen, (show) => {
      // What is fetched later, while the model runs, draws nothing.
      const onProgress = (progress: DownloadProgress): void => isOpening ? show(progress) : undefined;
      return withProgress(screen, "opening the model", () => open({ ...request, tokens }, onProgress));
    });
  } finally {
    isOpening = false;
  }
}
