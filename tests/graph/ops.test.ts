import assert from "node:assert/strict";
import {
  activation,
  add,
  broadcastShapes,
  concat,
  constant,
  expandLike,
  gatherElements,
  graphInputs,
  greater,
  input,
  matMul,
  mul,
  pad,
  reachable,
  reduceMean,
  reduceSum,
  relu,
  reshape,
  scatterElementsLike,
  type Shape,
  slice,
  swapLast,
  transpose,
  type Value,
  where,
  withRole,
} from "../../lib/graph/mod.ts";

const x = (...shape: Shape): Value => input("x", shape);
const indices = (...shape: Shape): Value => input("indices", shape, "int64");

Deno.test("shapes are inferred, symbols included", () => {
  const cases: [Value, Shape][] = [
    [add(x("batch", 1, 4), x("position", 1)), ["batch", "position", 4]],
    [mul(2, x()), []],
    [where(greater(x("batch", 1), x("position")), 1, 0), ["batch", "position"]],
    [matMul(x("batch", 1, "query", 4), x(3, 4, "key")), ["batch", 3, "query", "key"]],
    [reduceSum(x("batch", "position", 4), [-1, 0]), [1, "position", 1]],
    [reduceMean(x("batch", "position", 4), [1, 2], false), ["batch"]],
    [transpose(x("batch", "position", 2, 3), [0, 2, 1, 3]), ["batch", 2, "position", 3]],
    [swapLast(x("batch", 2, "key")), ["batch", "key", 2]],
    [reshape(x("batch", 6), [2, "batch", 3]), [2, "batch", 3]],
    [expandLike(constant(1), x("batch", 2)), ["batch", 2]],
    [slice(x("batch", 6), -1, 2, 5), ["batch", 3]],
    [pad(x(6, "batch"), 0, 2, 1), [9, "batch"]],
    [concat([x("batch", 2), x("batch", 3)], -1), ["batch", 5]],
    [gatherElements(x("row", 9), indices("row", 1)), ["row", 1]],
    [scatterElementsLike(x("row", 1), indices("row", 1), x("row", 9)), ["row", 9]],
  ];
  for (const [value, shape] of cases) assert.deepEqual(value.shape, shape, value.op.kind);
});

Deno.test("no axes to reduce: the value itself", () => {
  const value = x("batch", 2);
  assert.equal(reduceSum(value, []), value);
  assert.equal(reduceMean(value, [], false), value);
});

Deno.test("an activation has its role, and withRole makes a new value", () => {
  const value = activation(x(3), "silu");
  assert.equal(value.role, "activation");
  const gate = withRole(value, "gate");
  assert.deepEqual([gate.role, value.role], ["gate", "activation"]);
});

Deno.test("values come after what they need, each once, and inputs by name", () => {
  const a = input("a", [2]);
  const b = input("b", [2]);
  const sum = add(a, b);
  const product = mul(sum, sum);
  assert.deepEqual(reachable([product, a]), [a, b, sum, product]);
  assert.deepEqual([...graphInputs({ product, a })], [["a", a], ["b", b]]);
});

Deno.test("wrong shapes and types are TypeErrors that show them", () => {
  const cases: [() => unknown, string][] = [
    [() => broadcastShapes([2, 3], [2, 4]), "Cannot broadcast [2, 3] with [2, 4]: 3 against 4"],
    [() => add(x("batch"), x("position")), "Cannot broadcast [batch] with [position]: batch against position"],
    [() => where(greater(x(2), 0), x(3), 1), "Cannot broadcast [2] with [3]: 2 against 3"],
    [() => matMul(x("batch", 3), x(4, 5)), "Cannot multiply [batch, 3] by [4, 5]"],
    [() => matMul(x(3), x(3, 5)), "Cannot multiply [3] by [3, 5]"],
    [() => matMul(x(2, 3, 4), x(3, 4, 5)), "Cannot broadcast [2] with [3]: 2 against 3"],
    [() => transpose(x(2, "key"), [0]), "Cannot transpose [2, key] by [0]"],
    [() => transpose(x(2, "key"), [0, 0]), "Cannot transpose [2, key] by [0, 0]"],
    [() => transpose(x(2, "key"), [0, 2]), "Cannot transpose [2, key] by [0, 2]"],
    [() => transpose(x(2, "key"), [-1, 0]), "Cannot transpose [2, key] by [-1, 0]"],
    [() => reshape(x("batch", 6), ["batch", 5]), "Cannot reshape [batch, 6] to [batch, 5]"],
    [() => reshape(x("batch", 6), ["position", 6]), "Cannot reshape [batch, 6] to [position, 6]"],
    [() => reshape(x("batch", "batch"), ["batch"]), "Cannot reshape [batch, batch] to [batch]"],
    [() => reduceSum(x(2, 3), [2]), "No axis 2 in [2, 3]"],
    [() => reduceMean(x(2, 3), [-3]), "No axis -3 in [2, 3]"],
    [() => reduceSum(x(2, 3), [1, -1]), "Cannot reduce [2, 3] over [1, -1]: an axis is given twice"],
    [() => expandLike(x(3), x(1)), "Cannot expand [3] to [1]"],
    [() => expandLike(x("batch", 3), x(3)), "Cannot expand [batch, 3] to [3]"],
    [() => slice(x(2, "key"), 1, 0, 1), "Cannot take [0, 1) of axis 1 of [2, key]"],
    [() => slice(x(2, 3), 1, 2, 4), "Cannot take [2, 4) of axis 1 of [2, 3]"],
    [() => slice(x(2, 3), 1, 2, 2), "Cannot take [2, 2) of axis 1 of [2, 3]"],
    [() => slice(x(2, 3), 1, 0.5, 2), "Cannot take [0.5, 2) of axis 1 of [2, 3]"],
    [() => slice(x(2, 3), 1, NaN, 2), "Cannot take [NaN, 2) of axis 1 of [2, 3]"],
    [() => pad(x(2, "key"), -1, 1, 1), "Cannot pad the dynamic axis -1 of [2, key]"],
    [() => pad(x(2, 3), -1, -1, 1), "Cannot pad axis -1 of [2, 3] by -1 and 1"],
    [() => concat([], 0), "Cannot concatenate no values"],
    [() => concat([x("key"), x("key")], 0), "Cannot concatenate along a dynamic axis"],
    [() => concat([x(2, 3), x(3, 3)], 1), "Cannot concatenate [2, 3] and [3, 3] along axis 1"],
    [() => concat([x(2, 3), x(2)], 0), "Cannot concatenate [2, 3] and [2] along axis 0"],
    [() => gatherElements(x(2, 3), indices(2)), "GatherElements cannot look up indices of [2] in [2, 3]"],
    [
      () => gatherElements(x(2, 3), x(2, 1)),
      "GatherElements takes a value of type int64, not float, here: the one of shape [2, 1]",
    ],
    [() => scatterElementsLike(x(2, 2), indices(2, 1), x(2, 3)), "Cannot scatter [2, 2] to indices of [2, 1]"],
    [
      () => scatterElementsLike(x(2), indices(2), x(2, 3)),
      "ScatterElementsLike cannot look up indices of [2] in [2, 3]",
    ],
    [() => add(greater(x(2), 0), 1), "Add takes a value of type float, not bool, here: the one of shape [2]"],
    [() => where(x(2), 1, 0), "Where takes a value of type bool, not float, here: the one of shape [2]"],
    [() => mul(indices(2), 1), "Mul takes a value of type float, not int64, here: the one of shape [2]"],
    [() => swapLast(relu(x(2))), "Cannot transpose [2] by [0, -1]"],
  ];
  for (const [build, message] of cases) assert.throws(build, { name: "TypeError", message });
});
