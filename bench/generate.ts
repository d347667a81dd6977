/**
 * Claim: sampling 64 tokens after a prompt with a picture costs no more here than `generate` of transformers on PyTorch, for one prompt, for eight
 * prompts, and for the eight completions of one prompt that GRPO asks for.
 *
 *   RISE_PYTHON=… npx tsx bench/generate.ts [cpu|cuda] [MODEL [half]]           one minute
 *
 * The tiny model, or a checkpoint in a folder; from the whole distribution, key-value caches, no early end. float32 on all cores; on a GPU PyTorch computes in bfloat16 with its
 * fused attention, and here float32's factors are rounded to TF32, or "half" is what the checkpoint is stored in. Both sides take turns in one run. Ours is what a user
 * calls, `generate`, with pictures that it has not seen: preparing them and the chat template are in it. PyTorch gets tokens and pixels ready-made, and on the CPU the
 * faster of its attentions counts.
 */
import { onnxBackend } from "../src/backends/onnx";
import { openModel, type VisionLanguageModel } from "../src/models/open-model";
import type { Provider } from "../src/onnx/runtime/providers";
import type { Prompt } from "../src/types";
import { type Rounds, reportRounds } from "./measure";
import { picturePrompts, withTinyModel } from "./model";
import { inTurn, withPeer } from "./peer";

const [, , device = "cpu", folder, half] = process.argv as [string, string, Provider?, string?, string?];
const precision = half === "half" ? "half" : "float32";
const maxTokens = 64;
const ways = device === "cpu" ? { eager: "float32", sdpa: "float32" } : { sdpa: "bfloat16" };
const settings = [
  { what: "1 prompt", prompts: 1, count: 1 },
  { what: "8 prompts", prompts: 8, count: 1 },
  { what: "8 completions of 1 prompt", prompts: 1, count: 8 },
];

if (folder) await compare(await openModel(folder));
else await withTinyModel(compare);

async function compare(model: VisionLanguageModel): Promise<void> {
  const encoded = await Promise.all(picturePrompts(8).map(model.encodePrompt));
  const images = encoded.flatMap((row) => row.images);
  const each = images[0]!.pixelValues.length;
  const pixels = new Float32Array(images.length * each);
  for (const [i, { pixelValues }] of images.entries()) pixels.set(pixelValues, i * each);
  const tokens = encoded.map((row) => row.tokens);
  const grids = images.map(({ grid }) => grid);
  const arrays = new Map([["pixelValues", { shape: [pixels.length / 1176, 1176], data: pixels }]]);
  const backend = await onnxBackend({ model: model.dir, device, precision });
  await withPeer("generate.py", { model: model.dir, device, maxTokens, tokens, grids }, arrays, async (peer) => {
    const rows: Rounds[] = [];
    let seed = 0;
    for (const { what, ...setting } of settings) {
      const prompts = picturePrompts(setting.prompts);
      const work = {
        what,
        async ours() {
          const unseen = prompts.map(withOtherPictures);
          const written = await backend.generate(unseen, { count: setting.count, maxTokens, seed: seed++ });
          if (written.flat().some(({ tokenIds }) => tokenIds!.length !== maxTokens))
            throw new Error("a completion ended early");
        },
        requests: Object.fromEntries(
          Object.entries(ways).map(([attention, dtype]) => [attention, { ...setting, attention, dtype }]),
        ),
      };
      rows.push(await inTurn(peer, work));
    }
    reportRounds("generate", ["rise-ts", "PyTorch"], rows, {
      ...{ device, precision, model: folder ?? "tiny", maxTokens },
      promptTokens: tokens[0]!.length,
      ...peer.facts,
    });
  });
  await backend.dispose();
}

/** A copy in memory is a picture that nothing has been remembered of. */
function withOtherPictures(prompt: Prompt): Prompt {
  return prompt.map(({ role, content }) => ({
    role,
    content: content.map((part) =>
      part.type === "image" && typeof part.image === "object" && "width" in part.image
        ? { type: "image", image: { ...part.image } }
        : part,
    ),
  }));
}
