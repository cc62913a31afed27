// node run_in_node.mjs PACKAGE JOBS: runs each job's model on its inputs and prints the outputs as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const ort = createRequire(import.meta.url)(process.argv[2]);
const kinds = { float32: Float32Array, int64: BigInt64Array, uint8: Uint8Array };
const results = [];
for (const { model, feeds } of JSON.parse(readFileSync(process.argv[3], "utf-8"))) {
  const session = await ort.InferenceSession.create(model);
  const inputs = {};
  for (const [name, { type, dims, data }] of Object.entries(feeds)) {
    const values = type === "int64" ? data.map(BigInt) : data;
    inputs[name] = new ort.Tensor(type, kinds[type].from(values), dims);
  }
  const outputs = await session.run(inputs);
  const plain = ({ dims, data }) => ({ dims, data: Array.from(data, Number) });
  results.push(Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, plain(tensor)])));
}
process.stdout.write(JSON.stringify(results));
