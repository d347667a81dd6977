import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { grpoLoss } from "../../../src/grpo";
import { readSafetensors } from "../../../src/models/files/safetensors";
import { openModel } from "../../../src/models/open-model";
import type { LossFn, Trainer, TrainSequence } from "../../../src/trainer";
import { onnxTrainer } from "../../../src/trainers/onnx";
import type { Completion, Prompt } from "../../../src/types";
import {
  checkpointDir,
  imagePath,
  largestError,
  promptOf,
  type ReferenceCase,
  reference,
} from "../../models/reference";
import { type Check, type Leg, type LegTools, within } from "../leg";
import { pythonOf } from "../python-of";
import { servedEnvironment } from "../served-environment";
import { torchEnvironment, withTorch } from "../torch/environment";

const sequences: readonly TrainSequence[] = reference.cases.map((example) => ({
  prompt: promptOf(example),
  completion: example.completionIds,
}));

const lora = { rank: 4, alpha: 16 };

/** 20 steps beside `onnxTrainer`, checkpoints both ways and in Python, and other families. */
export const torchParity: Leg = {
  name: "torch-parity",
  does: "trains torchTrainer beside onnxTrainer, exchanges their checkpoints, and scores other families",
  environment: torchEnvironment,
  async *run(tools) {
    const only = process.env.RISE_PARITY;
    const parts = { full: trained({}), lora: trained({ lora }), families, precision };
    for (const [name, part] of Object.entries(parts)) if (!only || only === name) yield* part(tools);
  },
};

/** Two kinds of losses, from the same weights. */
const losses: Readonly<Record<string, (old: readonly Float64Array[]) => LossFn>> = {
  SFT: () => (logProbs) => {
    const count = logProbs.reduce((sum, row) => sum + row.length, 0);
    const total = logProbs.flatMap((row) => [...row]).reduce((a, b) => a + b, 0);
    return { loss: -total / count, gradient: logProbs.map((row) => row.map(() => -1 / count)) };
  },
  GRPO: (old) => (logProbs) => grpoLoss({ logProbs, oldLogProbs: old, advantages: [1, -0.5, 0.25] }),
};

const trained = (options: { readonly lora?: typeof lora }) =>
  async function* ({ python, scratch }: LegTools): AsyncGenerator<Check, void> {
    const kind = options.lora ? "LoRA" : "every weight";
    const learningRate = options.lora ? 1e-3 : 1e-5;
    const start = join(scratch, `start-${kind}`);
    const onnx = await onnxTrainer({ model: checkpointDir, device: "cpu", threads: 1, ...options });
    await onnx.save(start);
    try {
      const settings = { model: checkpointDir, python, processes: 2, ...options };
      yield* withTorchChecks(settings, async function* (torch) {
        for (const [name, lossOf] of Object.entries(losses)) {
          const norms: number[] = [];
          const after: (readonly Float64Array[])[] = [];
          for (const trainer of [onnx, torch]) {
            await trainer.load(start);
            const old = await trainer.logProbs(sequences);
            for (let step = 0; step < 20; step++) {
              await trainer.forwardBackward(sequences, lossOf(old));
              const { gradNorm } = await trainer.optimStep({ learningRate });
              if (step === 0) norms.push(gradNorm);
            }
            after.push(await trainer.logProbs(sequences));
          }
          yield within(`${kind}, ${name}: gradient norm of the first step`, Math.abs(norms[1]! / norms[0]! - 1), 1e-4);
          yield within(`${kind}, ${name}: log-probs after 20 steps`, furthest(after[1]!, after[0]!), 1e-3);
        }
        yield* exchanged(kind, onnx, torch, scratch, Boolean(options.lora));
      });
    } finally {
      await onnx.dispose();
    }
  };

/** Checkpoints of each in the other, and in transformers and PEFT. */
async function* exchanged(
  kind: string,
  onnx: Trainer,
  torch: Trainer,
  scratch: string,
  isAdapter: boolean,
): AsyncGenerator<Check, void> {
  const [ofTorch, ofOnnx] = [join(scratch, `torch-${kind}`), join(scratch, `onnx-${kind}`)];
  await torch.save(ofTorch);
  const expected = await torch.logProbs(sequences);
  await onnx.load(ofTorch);
  yield within(`${kind}: torch's checkpoint in onnxTrainer`, furthest(await onnx.logProbs(sequences), expected), 1e-4);
  const rates = { learningRate: 1e-4 };
  for (const trainer of [onnx, torch]) {
    await trainer.forwardBackward(sequences, losses.SFT!([]));
    await trainer.optimStep(rates);
  }
  yield within(
    `${kind}: … and its optimizer's state`,
    furthest(await torch.logProbs(sequences), await onnx.logProbs(sequences)),
    1e-4,
  );
  await onnx.save(ofOnnx);
  await torch.load(ofOnnx);
  yield within(
    `${kind}: onnxTrainer's checkpoint in torch`,
    furthest(await torch.logProbs(sequences), await onnx.logProbs(sequences)),
    1e-4,
  );
  for (const trainer of [onnx, torch]) {
    await trainer.interpolate!(0.5);
    await trainer.forwardBackward(sequences, losses.SFT!([]));
    await trainer.optimStep(rates);
  }
  yield within(
    `${kind}: a step from half of what was learnt`,
    furthest(await torch.logProbs(sequences), await onnx.logProbs(sequences)),
    1e-4,
  );
  await torch.save(ofTorch);
  const theirs = await scoredByPython(ofTorch, isAdapter, join(scratch, "job.json"));
  yield within(
    `${kind}: torch's checkpoint in transformers${isAdapter ? " and PEFT" : ""}`,
    furthest(await torch.logProbs(sequences), theirs),
    1e-4,
  );
}

/**
 * The recorded interoperability script of `npm run test:reference`. It resizes images with torchvision, as transformers
 * does by default; the worker must work without torchvision, so that its environment has none.
 */
async function scoredByPython(dir: string, isAdapter: boolean, job: string): Promise<Float64Array[]> {
  const python = await pythonOf(servedEnvironment);
  const { encodePrompt } = await openModel(checkpointDir);
  const rows = await Promise.all(
    reference.cases.map(async (example) => ({
      messages: example.messages,
      tokens: (await encodePrompt(promptOf(example))).tokens,
      pictures: example.messages.flatMap(({ content }) =>
        content.flatMap((part) => (part.type === "image" ? [imagePath(part.image)] : [])),
      ),
      completion: example.completionIds,
    })),
  );
  await writeFile(
    job,
    JSON.stringify([isAdapter ? { model: checkpointDir, adapter: dir, rows } : { model: dir, rows }]),
  );
  const script = fileURLToPath(new URL("../../reference/interop/score.py", import.meta.url));
  const { stdout } = await promisify(execFile)(python, [script, job], { maxBuffer: 2 ** 28 });
  return (JSON.parse(stdout) as number[][][])[0]!.map((row) => Float64Array.from(row));
}

/** Random checkpoints of Qwen2.5-VL and Qwen3-VL, against transformers' recorded log-probs. */
async function* families({ python }: LegTools): AsyncGenerator<Check, void> {
  const data = fileURLToPath(new URL("../../reference/data/families", import.meta.url));
  for (const family of ["qwen2-5-vl", "qwen3-vl"]) {
    const dir = join(data, family, "tied");
    const { cases } = JSON.parse(await readFile(join(dir, "cases.json"), "utf8")) as { cases: ReferenceCase[] };
    const arrays = await readSafetensors(join(dir, "arrays.safetensors"));
    const rows = cases.map((example) => ({
      prompt: promptIn(example, join(data, "images")),
      completion: example.completionIds,
    }));
    yield* withTorchChecks(
      { model: join(dir, "checkpoint"), python, processes: 2, shard: "fsdp", lora: { rank: 4 } },
      async function* (torch) {
        const logProbs = await torch.logProbs(rows);
        const recorded = cases.map(({ name }) => arrays.get(`${name}/logProbs`)!.data);
        yield within(
          `${family}: log-probs of ${rows.length} prompts, as transformers has them`,
          furthest(logProbs, recorded),
          1e-4,
        );
        const error = await samplerError(torch, rows[0]!.prompt);
        yield within(`${family}: the sampler's log-probs are the trainer's`, error, 1e-5);
        await torch.forwardBackward(rows, losses.SFT!([]));
        await torch.optimStep({ learningRate: 1e-3 });
        yield uphill(`${family}: a step goes uphill`, logProbs, await torch.logProbs(rows));
      },
    );
  }
}

/** bfloat16 with float32 masters, and layers that are computed again on the way back. */
async function* precision({ python, scratch }: LegTools): AsyncGenerator<Check, void> {
  const arrays = await readSafetensors(
    fileURLToPath(new URL("../../reference/data/qwen2-vl-tiny/arrays.safetensors", import.meta.url)),
  );
  const recorded = reference.cases.map(({ name }) => arrays.get(`${name}/logProbs`)!.data);
  const ways = [
    { name: "every weight, 1 process", lora: undefined, processes: 1, shard: "none", file: "model.safetensors" },
    { name: "LoRA, FSDP", lora: { rank: 4 }, processes: 2, shard: "fsdp", file: "adapter_model.safetensors" },
  ] as const;
  for (const { name, lora, file, ...spread } of ways) {
    const options = { ...spread, ...(lora && { lora }), precision: "bfloat16", gradientCheckpointing: true } as const;
    yield* withTorchChecks({ model: checkpointDir, python, ...options }, async function* (torch) {
      const before = await torch.logProbs(sequences);
      yield within(`bfloat16, ${name}: log-probs, against float32`, furthest(before, recorded), 5e-2);
      yield { what: `bfloat16, ${name}: … and they are rounded`, ok: furthest(before, recorded) > 1e-5 };
      yield within(`bfloat16, ${name}: the sampler's log-probs are the trainer's`, await samplerError(torch), 5e-2);
      const [first, second] = [join(scratch, `${name}-1`), join(scratch, `${name}-2`)];
      await torch.save(first);
      await torch.forwardBackward(sequences, losses.SFT!([]));
      // Far below bfloat16's eighth bit.
      await torch.optimStep({ learningRate: 1e-7 });
      await torch.save(second);
      const [a, b] = await Promise.all([first, second].map((dir) => readSafetensors(join(dir, file))));
      const moved = [...a!].filter(([tensor, { data }]) => data.some((x, i) => x !== b!.get(tensor)!.data[i])).length;
      yield {
        what: `bfloat16, ${name}: a tiny step reaches the float32 masters`,
        ok: 2 * moved >= a!.size,
        detail: `${moved} of ${a!.size} tensors`,
      };
      for (let i = 0; i < 3; i++) {
        await torch.forwardBackward(sequences, losses.SFT!([]));
        await torch.optimStep({ learningRate: lora ? 1e-3 : 1e-5 });
      }
      yield uphill(`bfloat16, ${name}: steps go uphill`, before, await torch.logProbs(sequences));
    });
  }
}

/** The largest distance of a completion's log-probs from those of training. */
async function samplerError(torch: Trainer, prompt = sequences[0]!.prompt): Promise<number> {
  const [[completion]] = (await torch.sampler().generate([prompt], { seed: 1, maxTokens: 12 })) as [[Completion]];
  const { tokenIds, logProbs } = completion;
  return furthest([logProbs!], await torch.logProbs([{ prompt, completion: tokenIds! }]));
}

function uphill(what: string, before: readonly Float64Array[], after: readonly Float64Array[]): Check {
  const [from, to] = [before, after].map((rows) => rows.flatMap((row) => [...row]).reduce((x, y) => x + y, 0));
  return { what, ok: to! > from!, detail: `${from!.toFixed(2)} to ${to!.toFixed(2)}` };
}

const promptIn = ({ messages }: ReferenceCase, images: string): Prompt =>
  messages.map(({ role, content }) => ({
    role,
    content: content.map((part) => (part.type === "image" ? { ...part, image: join(images, part.image) } : part)),
  }));

function furthest(actual: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[]): number {
  return Math.max(...expected.map((row, i) => largestError(actual[i] ?? [], row)));
}

async function* withTorchChecks(
  options: Parameters<typeof withTorch>[0],
  use: (trainer: Trainer) => AsyncGenerator<Check, void>,
): AsyncGenerator<Check, void> {
  const checks: Check[] = [];
  await withTorch(options, async (trainer) => {
    for await (const check of use(trainer)) checks.push(check);
  });
  yield* checks;
}
