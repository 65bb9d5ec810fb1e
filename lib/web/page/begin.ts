/** What to begin with: models that are offered first, the user's own files, and what is kept here. */
import { h } from "../../report/client/mod.ts";
import type { FeaturedModel } from "../catalog.ts";
import type { Engine, EngineStatus, LocalFile, Storage } from "./engine.ts";
import { find } from "./find.ts";
import { NOTHING, type State } from "./state.ts";
import { complain, megabytes, wordsOf } from "./status.ts";

/** Hears what the user chooses. */
type Choose = (part: Partial<State>) => void;

/** Shows what there is to begin with. `onEmptied` hears that what was kept is gone. */
export function connectBegin(
  engine: Engine,
  { featured = [] }: EngineStatus,
  choose: Choose,
  onEmptied: () => void,
): void {
  const { localFiles, storage } = engine.capabilities;
  const list = find("featured-list");
  list.hidden = featured.length < 2;
  list.replaceChildren(...featured.map((one) => featuredItem(one, choose)));
  if (localFiles !== undefined) connectFiles(localFiles, choose);
  if (storage !== undefined) connectStorage(storage, onEmptied);
}

/** Marks the model that is chosen. */
export function showBegin({ model }: State): void {
  for (const button of find("featured-list").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.model === model));
  }
}

/** One model, with an SAE and a prompt. What it costs is asked for when it is chosen: until then nobody else is asked. */
function featuredItem({ model, sae, description, prompt, isHere }: FeaturedModel, choose: Choose): HTMLElement {
  const words = h("span", { class: "cost" }, isHere ? "built in" : "download");
  const onclick = (): void => choose({ ...NOTHING, model, saes: [sae], prompt });
  const name = model.replace(/^.*\//, "");
  const title = `${description}; with the SAE ${sae}`;
  return h(
    "li",
    {},
    h("button", { type: "button", title, "data-model": model, "aria-pressed": "false", onclick }, name, " ", words),
  );
}

/** Files that are dropped anywhere on the page, or chosen. */
function connectFiles(open: NonNullable<Engine["capabilities"]["localFiles"]>, choose: Choose): void {
  const [area, note] = [find("files"), find("files-note")];
  const [files, directory] = [find("choose-files", HTMLInputElement), find("choose-directory", HTMLInputElement)];
  area.hidden = false;
  const take = async (chosen: Promise<readonly LocalFile[]>): Promise<void> => {
    complain("");
    note.textContent = "Looking at the files …";
    try {
      const { models, saes, ignored } = await open(await chosen);
      const names = [...models, ...saes].map(({ name }) => name);
      note.textContent = [names.length === 0 ? "" : `Opened ${names.join(", ")}.`, ...ignored].join(" ").trim();
      const opened = saes.map(({ name }) => name);
      if (models.length > 0) {
        choose({ model: models[0].name, saes: opened, positive: [], negative: [], position: null });
      } else if (opened.length > 0) choose({ saes: opened });
    } catch (error) {
      note.textContent = "";
      complain(wordsOf(error));
    }
  };
  for (const input of [files, directory]) {
    input.addEventListener("change", () => {
      const chosen = [...input.files ?? []].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
      void take(Promise.resolve(chosen));
      input.value = ""; // the same may be chosen again
    });
  }
  addEventListener("dragover", (event) => {
    event.preventDefault();
    area.dataset.over = "yes";
  });
  for (const name of ["dragleave", "drop"]) addEventListener(name, () => delete area.dataset.over);
  addEventListener("drop", (event) => {
    event.preventDefault();
    // What was dropped can be named only now, and read later.
    const entries = [...event.dataTransfer?.items ?? []].flatMap((item) => item.webkitGetAsEntry() ?? []);
    const files = event.dataTransfer?.files ?? [];
    const plain = [...files].map((file) => ({ path: file.name, file }));
    void take(entries.length > 0 ? filesBelow(entries) : Promise.resolve(plain));
  });
}

/** More are no model: somebody has dropped their home directory. */
const MOST_FILES = 20_000;
const MOST_DEPTH = 16;

/** All files of what was dropped, with their paths. */
async function filesBelow(entries: readonly FileSystemEntry[], depth = 0): Promise<LocalFile[]> {
  if (depth > MOST_DEPTH) throw new RangeError(`Directories are more than ${MOST_DEPTH} deep: drop the model's own`);
  const found: LocalFile[] = [];
  for (const entry of entries) {
    if (entry.isDirectory) {
      found.push(...await filesBelow(await entriesOf(entry as FileSystemDirectoryEntry), depth + 1));
    } else found.push({ path: entry.fullPath.replace(/^\//, ""), file: await fileOf(entry as FileSystemFileEntry) });
    if (found.length > MOST_FILES) {
      throw new RangeError(`There are more than ${MOST_FILES} files: drop the model's own`);
    }
  }
  return found;
}

async function entriesOf(directory: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = directory.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    // A hundred at a time, until there are none.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0 || all.length > MOST_FILES) return all;
    all.push(...some);
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** What is kept of downloads, and a button that empties it. */
function connectStorage(storage: Storage, onEmptied: () => void): void {
  const show = async (): Promise<void> => {
    const size = await storage.size();
    find("storage").hidden = size === 0;
    find("storage-size").textContent = `Stored on this machine: ${megabytes(size)}.`;
  };
  const update = (): void => void show().catch(() => find("storage").hidden = true);
  find("storage-empty").addEventListener("click", async () => {
    try {
      await storage.empty();
      onEmptied();
    } catch (error) {
      complain(wordsOf(error));
    }
    update();
  });
  find("result").addEventListener("answered", update);
  update();
}
