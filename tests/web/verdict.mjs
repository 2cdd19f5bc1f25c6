// Runs a bundle in WebAssembly on its golden image: `node verdict.mjs BUNDLE`, outputs as JSON.
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import * as ort from 'onnxruntime-web';

ort.env.wasm.numThreads = 1;
const bytes = readFileSync(process.argv[2]);
const golden = JSON.parse(readFileSync(0, 'utf8'));
const codes = inflateSync(Buffer.from(golden.codes, 'base64'));
const step = Math.fround(golden.step), low = Math.fround(golden.low);
const image = Float32Array.from(codes, (code) => low + Math.fround(step * code));
const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
const outputs = await session.run({
  image: new ort.Tensor('float32', image, golden.shape),
  explain: new ort.Tensor('bool', [true], []),
});
const flat = ([name, tensor]) => [name, Array.from(tensor.data, Number)];
console.log(JSON.stringify(Object.fromEntries(Object.entries(outputs).map(flat))));
