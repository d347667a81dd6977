import { AutoModelForImageTextToText, AutoProcessor, env, RawImage, TextStreamer } from "./lib/transformers.min.js";
import { drawAnswer } from "./answer.js";
import { prompts } from "./prompts.js";

const at = (path) => new URL(path, import.meta.url).href;
const element = (id) => document.getElementById(id);

// Everything is beside this page: without these lines, transformers.js would look in the network.
env.allowRemoteModels = false;
env.allowLocalModels = true;
// No whole address: transformers.js would not look for a tokenizer there.
env.localModelPath = "./";
env.useBrowserCache = false;
// The runtime is then no blob, which the page's policy forbids.
env.useWasmCache = false;

// A GPU in software is slower than the CPU, unless the address ends in ?device=webgpu.
const asked = new URLSearchParams(location.search).get("device");
const gpu = await navigator.gpu?.requestAdapter().catch(() => null);
const isWanted = asked ? asked === "webgpu" : !gpu?.info.isFallbackAdapter;
// A GPU without float16 refuses an export in half precision.
const model = gpu && isWanted ? loadModel(true).catch(() => loadModel(false)) : loadModel(false);

/** The plain build of the runtime is several times faster on the CPU; the other one reaches the GPU. */
async function loadModel(onGpu) {
  const build = `ort-wasm-simd-threaded${onGpu ? ".asyncify" : ""}`;
  env.backends.onnx.wasm.wasmPaths = { mjs: at(`./lib/${build}.mjs`), wasm: at(`./lib/${build}.wasm`) };
  env.backends.onnx.wasm.numThreads = self.crossOriginIsolated ? Math.min(4, navigator.hardwareConcurrency) : 1;
  const device = onGpu
    ? { embed_tokens: "wasm", vision_encoder: "webgpu", decoder_model_merged: "webgpu" }
    : "wasm";
  const [processor, network] = await Promise.all([
    AutoProcessor.from_pretrained("model"),
    AutoModelForImageTextToText.from_pretrained("model", { device }),
  ]);
  return { processor, network, onGpu };
}

/** Writes the model's answer to an image and a prompt, greedily; `onText` gets every piece of it. */
export async function annotate(image, prompt, onText = () => {}) {
  const { processor, network } = await model;
  // A special token's name in the prompt must stay text.
  const text = prompt.replaceAll("<|", "< |");
  const chat = [{ role: "user", content: [{ type: "image" }, { type: "text", text }] }];
  const inputs = await processor(processor.apply_chat_template(chat, { add_generation_prompt: true }), [
    await RawImage.fromBlob(image),
  ]);
  const streamer = new TextStreamer(processor.tokenizer, { skip_prompt: true, callback_function: onText });
  const ids = await network.generate({ ...inputs, max_new_tokens: 256, streamer });
  const tokens = ids.tolist()[0].slice(inputs.input_ids.dims[1]).map(Number);
  return { tokens, text: processor.tokenizer.decode(tokens, { skip_special_tokens: true }) };
}

element("task").append(...Object.keys(prompts).map((name) => new Option(name, name)));
element("task").addEventListener("change", ({ target }) => {
  element("prompt").value = prompts[target.value];
});
element("prompt").value = prompts.moods;

element("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [image] = element("file").files;
  element("run").disabled = true;
  element("image").src = URL.createObjectURL(image);
  element("result").hidden = false;
  const started = performance.now();
  let written = "";
  try {
    const { text } = await annotate(image, element("prompt").value, (piece) => {
      written += piece;
      drawAnswer(written);
    });
    drawAnswer(text);
    element("status").value = `Done in ${((performance.now() - started) / 1000).toFixed(1)} s.`;
  } catch (error) {
    element("status").value = `The model could not annotate the image: ${error.message}`;
  }
  element("run").disabled = false;
});

model.then(
  ({ onGpu }) => {
    element("status").value = `Ready, on the ${onGpu ? "GPU" : "CPU"}.`;
    element("run").disabled = false;
  },
  (error) => {
    element("status").value = `The model could not be loaded: ${error.message}`;
  },
);
