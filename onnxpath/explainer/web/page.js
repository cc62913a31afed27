// Runs explainer.onnx on a picture and draws what it gives.
import * as ort from "./ort/ort.wasm.min.mjs";

const LARGEST = 1024; // A longer side is shrunk to this before the network's own preprocessing sees it.
const TOP = 5;
const $ = (id) => document.getElementById(id);

ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;
ort.env.wasm.numThreads = 1; // More need headers that a plain file server does not send.

const settings = await (await fetch("settings.json")).json();
let session = null;
let image = null; // {data, dims} of the picture that is shown
let running = false;
let again = false;

function tell(text, failed = false) {
  $("status").textContent = text;
  $("status").classList.toggle("failed", failed);
}

function softmax(values) {
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Array.from(values, (v) => Math.exp(v - largest));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / total);
}

function name(index) {
  return settings.classes[index] ?? `entry ${index}`;
}

function best(values) {
  return Array.from(values.keys()).sort((a, b) => values[b] - values[a]);
}

function listPredictions(logits) {
  const shares = softmax(logits);
  const items = best(logits).slice(0, TOP).map((index) => {
    const item = document.createElement("li");
    const bold = document.createElement("b");
    bold.textContent = name(index);
    if (logits.length === 1) {
      item.append(bold, ` ${logits[0].toFixed(2)}`);
      return item;
    }
    const meter = document.createElement("meter");
    meter.value = shares[index];
    meter.setAttribute("aria-label", `softmax ${shares[index].toFixed(3)}`);
    item.append(bold, ` ${(100 * shares[index]).toFixed(1)} % (logit ${logits[index].toFixed(2)})`, meter);
    return item;
  });
  $("predictions").replaceChildren(...items);
}

function draw(canvas, pixels, width, height) {
  canvas.width = width;
  canvas.height = height;
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) rgba.set(pixels.subarray(3 * i, 3 * i + 3), 4 * i);
  canvas.getContext("2d").putImageData(new ImageData(rgba, width, height), 0, 0);
}

function sayPathway(values, logits) {
  if (!values.masked_logits) return;
  const masked = values.masked_logits.data;
  const [first, kept] = [best(logits)[0], best(masked)[0]];
  const share = (100 * values.density.data[0]).toFixed(1);
  $("pathway").textContent =
    `${share} % of the neurons are kept. ` +
    (logits.length === 1
      ? `They alone say ${masked[0].toFixed(2)} instead of ${logits[0].toFixed(2)}.`
      : first === kept
      ? `They alone still say ${name(kept)} (logit ${masked[first].toFixed(2)}).`
      : `They alone say ${name(kept)} instead of ${name(first)}.`);
}

async function explain() {
  if (!session || !image) return;
  if (running) {
    again = true;
    return;
  }
  running = true;
  const feeds = { image: new ort.Tensor("uint8", image.data, [1, ...image.dims, 3]) };
  if (settings.sparsity) feeds.sparsity = new ort.Tensor("float32", [Number($("sparsity").value)], []);
  tell("Explaining…");
  const began = performance.now();
  try {
    const values = await session.run(feeds);
    const [, height, width] = values.overlay.dims;
    draw($("map"), values.overlay.data, width, height);
    const logits = values[settings.logits].data;
    listPredictions(logits);
    sayPathway(values, logits);
    $("result").hidden = false;
    tell(`Explained in ${((performance.now() - began) / 1000).toFixed(2)} s.`);
    window.explained = values; // for tests, and for the curious
  } catch (error) {
    tell(`The network cannot take this picture: ${error.message}`, true);
  }
  running = false;
  if (again) {
    again = false;
    await explain();
  }
}

async function take(file) {
  if (!file) return;
  let picture;
  try {
    picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  } catch {
    tell(`${file.name} is not a picture that this browser can read.`, true);
    return;
  }
  const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
  const [width, height] = [picture.width, picture.height].map((n) => Math.max(1, Math.round(n * scale)));
  const canvas = $("shown");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white"; // what lies under transparent parts
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  const rgba = context.getImageData(0, 0, width, height).data;
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) rgb.set(rgba.subarray(4 * i, 4 * i + 3), 3 * i);
  image = { data: rgb, dims: [height, width] };
  await explain();
}

$("file").addEventListener("change", (event) => take(event.target.files[0]));
for (const [kind, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", over);
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
}
$("sparsity-box").hidden = !settings.sparsity;
const showSparsity = () => ($("sparsity-value").textContent = $("sparsity").value);
$("sparsity").addEventListener("input", () => {
  showSparsity();
  explain();
});
showSparsity();
$("about").textContent =
  `Method ${settings.method}, target ${settings.target}. Everything runs in this browser; no picture leaves it.`;
$("footer").textContent = `onnxpath ${settings.version} · options ${settings.options}`;

try {
  session = await ort.InferenceSession.create("explainer.onnx", { executionProviders: ["wasm"] });
  tell("Ready.");
  await explain();
} catch (error) {
  tell(`The network could not be loaded: ${error.message}`, true);
}
