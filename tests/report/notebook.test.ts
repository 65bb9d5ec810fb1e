import assert from "node:assert/strict";

const NOTEBOOK = new URL("../data/attribution_demo.ipynb", import.meta.url);

interface Notebook {
  readonly cells: readonly { readonly cell_type: string; readonly source: readonly string[] }[];
}

/** What a cell ends with is displayed, if it is an expression: those of this notebook have no semicolon. */
function shown(cell: string, index: number): string {
  const lines = cell.trimEnd().split("\n");
  const last = lines.pop()!;
  if (last.endsWith(";")) return cell;
  return [...lines, `await show(${index}, (${last}));`].join("\n");
}

Deno.test("the notebook's cells run in order, and a result shows itself", async () => {
  const { cells } = JSON.parse(await Deno.readTextFile(NOTEBOOK)) as Notebook;
  const code = cells.filter(({ cell_type }) => cell_type === "code").map(({ source }) => source.join(""));
  const script = new URL(`./.attribution_demo.${crypto.randomUUID()}.ts`, NOTEBOOK);
  const show = `async function show(cell: number, value: unknown): Promise<void> {
    const display = (value as Record<symbol, unknown>)[Symbol.for("Jupyter.display")];
    const data = typeof display === "function" ? await display.call(value) : { "text/plain": Deno.inspect(value) };
    console.log("SHOWN " + JSON.stringify({ cell, data }));
  }`;
  await Deno.writeTextFile(script, [show, ...code.map(shown)].join("\n"));
  try {
    const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--check", "-A", script.href],
      env: { NO_COLOR: "1" },
    }).output();
    assert.equal(exit, 0, new TextDecoder().decode(stderr));
    const out = new TextDecoder().decode(stdout);
    const displayed = out.split("\n").filter((line) => line.startsWith("SHOWN ")).map((line) =>
      JSON.parse(line.slice(6))
    );
    const [about, hooks, result, dims, dashboards] = displayed.map(({ data }) => data);
    assert.match(about["text/plain"], /tiny-facts.*blocks\.3\.hook_resid_pre/s);
    assert.match(hooks["text/plain"], /blocks\.3\.hook_resid_pre/);
    assert.match(result["text/html"], /^<iframe [^>]*sandbox="allow-scripts[^>]*srcdoc="<!DOCTYPE html>/);
    assert.match(
      result["text/plain"],
      /^Attribution \{ logit_diff: 2\.852\d+, 89 rows at blocks\.3\.hook_resid_pre \}$/,
    );
    assert.match(dims["text/plain"], /\[ 7, 1024 \]/);
    assert.match(dashboards["text/html"], /^<p>Feature 511 had a total attribution of 0\.09<\/p>/);
    assert.match(out, /position,token,feature,attribution,label\n6," of",189,0\.21866/);
    assert.match(out, /golf/);
  } finally {
    await Deno.remove(script);
  }
});
