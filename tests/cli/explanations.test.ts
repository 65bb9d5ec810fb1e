import assert from "node:assert/strict";
import { findExplanations } from "../../lib/cli/files/explanations.ts";
import { readFeatureTexts } from "../../lib/cli/files/feature_texts.ts";
import { TensorSae } from "../../lib/sae/sae.ts";
import { config, functionStore, noiseTensors } from "../sae/fixtures.ts";
import { inDirectory } from "./run_cli.ts";

async function gzip(text: string): Promise<Uint8Array> {
  const packed = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

Deno.test("explanations: every form in which people keep them", () =>
  inDirectory(async (directory) => {
    const quoted = 'a "quoted", text\nof two lines';
    const files: Record<string, string | Uint8Array> = {
      list: '[{"index":"14535","description":"golf","typeName":"x"},{"index":3,"explanation":"tea"},{"index":4}]',
      object: '{"14535": "golf", "3": {"label": "tea"}, "4": null}',
      labels: '{"concepts":["x"],"features":{"14535":{"label":"golf","f1":1},"3":{"label":"tea"}}}',
      lines: '\n{"index":"14535","description":"golf"}\r\n{"feature":3,"label":"tea"}\n',
      line: '{"feature":14535,"label":"golf"}\n{"feature":3,"label":"tea"}',
      table: '\ufefffeature,density,label\n14535,0.1,golf\n\n3,0.2,"tea"\n4,0.3,\n',
      twice: "index,explanation\n3,tea\n14535,golf\n3,coffee\n",
      packed: await gzip("index,description\n14535,golf\n3,tea\n"),
    };
    for (const [name, content] of Object.entries(files)) {
      const path = `${directory}/${name}`;
      await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
      const { texts, ids } = await readFeatureTexts(path);
      assert.deepEqual([...texts].sort(([a], [b]) => a - b), [[3, "tea"], [14535, "golf"]], name);
      assert.equal(ids.size, 0);
    }
    const path = `${directory}/quotes`;
    await Deno.writeTextFile(path, `description,index\n"${quoted.replaceAll('"', '""')}",7\n`);
    assert.deepEqual([...(await readFeatureTexts(path)).texts], [[7, quoted]]);
    await Deno.writeTextFile(path, "");
    assert.equal((await readFeatureTexts(path)).texts.size, 0);
  }));

Deno.test("explanations: a malformed file is one clear error", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/file`;
    const cases: [string | Uint8Array, RegExp][] = [
      ["[1, 2", /^Cannot read explanations from .*: it is not JSON/],
      ["[1]", /: record 1 is no object$/],
      ['{"index":1,"label":"a"}\n{', /: line 2 is no JSON object$/],
      ['[{"label":"a"}]', /: record 1 has no feature or index that is the number of a feature$/],
      ['[{"index":"1e3","label":"a"}]', /: record 1 has no feature or index that is the number/],
      ['[{"index":-1,"label":"a"}]', /: record 1 has no feature or index that is the number/],
      ['[{"index":1,"label":2}]', /: record 1 has no label, description or explanation that is a text$/],
      ['[{"index":1}]', /: no record has a label, description or explanation$/],
      ["a,b\n1,2\n", /: it has no column feature or index$/],
      ["feature,b\n1,2\n", /: it has no column label, description or explanation$/],
      ["feature,label\n1,2,3\n", /: Invalid Record Length: .*on line 2$/],
      ['feature,label\n1,"a\n', /: Quote Not Closed/],
      [new Uint8Array([0xff, 0xfe, 0x00]), /: it is no text in UTF-8, or cut$/],
      [(await gzip("index,label\n1,a\n")).subarray(0, 20), /: it is no text in UTF-8, or cut$/],
    ];
    for (const [content, message] of cases) {
      await Deno.writeFile(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
      await assert.rejects(readFeatureTexts(path), (error) => {
        assert.ok(error instanceof SyntaxError);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    }
    await assert.rejects(readFeatureTexts(directory), /it is a directory, give a file$/);
    await assert.rejects(readFeatureTexts(`${directory}/none`), Deno.errors.NotFound);
  }));

Deno.test("explanations: a file that is too large is refused", () =>
  inDirectory(async (directory) => {
    const path = `${directory}/large`;
    await Deno.writeFile(path, new Uint8Array());
    await Deno.truncate(path, 2 ** 28 + 1); // sparse
    await assert.rejects(readFeatureTexts(path), /holds more than 256 MiB: give the explanations of one SAE$/);
  }));

Deno.test("explanations: files go before the SAE's labels, and must be about this SAE", () =>
  inDirectory(async (directory) => {
    const checked = config({ d_sae: 6 }, { neuronpedia_id: "gpt2-small/8-res-jb" });
    const own = new Map([[1, "own 1"], [2, "own 2"]]);
    const sae = new TensorSae(checked, functionStore(noiseTensors(checked)), "random", {
      labels: () => Promise.resolve(own),
    });
    const file = async (name: string, content: unknown): Promise<string> => {
      await Deno.writeTextFile(`${directory}/${name}`, JSON.stringify(content));
      return `${directory}/${name}`;
    };
    const record = { modelId: "gpt2-small", layer: "8-res-jb" };
    const first = await file("first", [{ ...record, index: "2", description: "first 2" }]);
    const second = await file("second", [
      { ...record, layer: "9-res-jb", index: "2", description: "second 2" },
      { index: "3", description: "second 3" },
    ]);
    const found = await findExplanations([sae], [{ explanations: [first, second] }]);
    assert.deepEqual(
      [...found.explanations.get(sae.hookOut)!].sort(([a], [b]) => a - b),
      [[1, "own 1"], [2, "first 2"], [3, "second 3"]],
    );
    assert.equal(found.warnings.length, 1);
    assert.match(found.warnings[0], /second is about gpt2-small\/9-res-jb, the SAE at .* is gpt2-small\/8-res-jb on/);
    const beyond = await file("beyond", { 6: "a" });
    await assert.rejects(
      findExplanations([sae], [{ explanations: [beyond] }]),
      /beyond explains feature 6, but the SAE at blocks.0.hook_resid_pre has 6: is it for another SAE\?$/,
    );
    assert.deepEqual((await findExplanations([sae], [{}])).explanations.get(sae.hookOut), own);
  }));
