import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BackendError, CheckpointError, ConfigError, DataError, TrainingError } from "../../src/errors";
import { writeSums } from "../../src/files/checksums";
import { readSafetensors, writeSafetensors } from "../../src/models/files/safetensors";
import { adamw } from "../../src/optim";
import type { LossFn, Trainer, TrainSequence } from "../../src/trainer";
import { type OnnxTrainerOptions, onnxTrainer } from "../../src/trainers/onnx";
import { checkpointDir, largestError, promptOf, reference, referenceArrays } from "../models/reference";
import { describeTrainer } from "./contract";

const [one, two] = reference.cases;
const prompts = [promptOf(one!), promptOf(two!)] as const;
const setting = { prompts, texts: ["A calm lake.", "Two dogs"] as const, tolerance: 1e-4 };

describeTrainer(
  "onnx, every weight, one row at once",
  () => onnxTrainer({ model: checkpointDir, device: "cpu", rowsAtOnce: 1 }),
  {
    ...setting,
    learningRate: 1e-5,
  },
);
describeTrainer("onnx, every weight, all rows at once", () => onnxTrainer({ model: checkpointDir, device: "cpu" }), {
  ...setting,
  learningRate: 1e-5,
});
describeTrainer("onnx, LoRA", () => onnxTrainer({ model: checkpointDir, device: "cpu", lora: { rank: 4 } }), setting);
const lora = { rank: 4, rsLora: true, targetModules: "all-linear" } as const;
describeTrainer(
  "onnx, rsLoRA on both towers",
  () => onnxTrainer({ model: checkpointDir, device: "cpu", lora }),
  setting,
);

const scratch = await mkdtemp(join(tmpdir(), "rise-onnx-trainer-"));
afterAll(() => rm(scratch, { recursive: true }));

/** Both with pictures; the second with two. */
const sequences = [one!, two!].map((example, i) => ({ prompt: prompts[i]!, completion: example.completionIds }));
const weighted =
  (weight: number): LossFn =>
  (logProbs) => ({ loss: 0, gradient: logProbs.map((row) => new Float64Array(row.length).fill(weight)) });
const raise = weighted(-1);
const logProbsOf = async (trainer: Trainer) => (await trainer.forwardBackward(sequences, weighted(0))).logProbs;

async function using<T>(options: Partial<OnnxTrainerOptions>, use: (trainer: Trainer) => Promise<T>): Promise<T> {
  const trainer = await onnxTrainer({ model: checkpointDir, device: "cpu", ...options });
  return use(trainer).finally(() => trainer.dispose());
}

async function learn(trainer: Trainer, steps: number, learningRate = 1e-3): Promise<void> {
  for (let i = 0; i < steps; i++) {
    await trainer.forwardBackward(sequences, raise);
    await trainer.optimStep({ learningRate });
  }
}

const sameBytes = async (a: string, b: string) => (await readFile(a)).equals(await readFile(b));

/** Plain gradient descent: the step shows the gradient itself, which AdamW's division hides. */
const descent: NonNullable<OnnxTrainerOptions["optimizer"]> = {
  init: () => ({ step: 0, tensors: new Map() }),
  update(gradients, state, parameters, { learningRate }) {
    for (const [name, gradient] of gradients)
      gradient.forEach((x, i) => {
        parameters.get(name)![i]! -= learningRate * x;
      });
    state.step += 1;
  },
};

describe("onnxTrainer", () => {
  it("begins with the checkpoint's log-probs, LoRA or not, to 1e-5", async () => {
    const arrays = await referenceArrays();
    for (const options of [{}, { lora: { rank: 4 } }, { lora: { rank: 1, alpha: 64, targetModules: ["up_proj"] } }])
      await using(options, async (trainer) => {
        const logProbs = await logProbsOf(trainer);
        expect(largestError(logProbs[0]!, arrays.get("one picture/logProbs")!.data)).toBeLessThan(1e-5);
        expect(largestError(logProbs[1]!, arrays.get("two pictures/logProbs")!.data)).toBeLessThan(1e-5);
      });
  });

  it("adds gradients up to the same weights in whatever pieces they come, to a millionth", async () => {
    const weightsAfter = async (rowsAtOnce: number, pieces: (typeof sequences)[]) =>
      using({ rowsAtOnce, optimizer: descent }, async (trainer) => {
        for (const piece of pieces) await trainer.forwardBackward(piece, raise);
        await trainer.optimStep({ learningRate: 1e-4 });
        const dir = await mkdtemp(join(scratch, "pieces-"));
        await trainer.save(dir);
        return readSafetensors(join(dir, "model.safetensors"));
      });
    const whole = await weightsAfter(16, [sequences]);
    for (const other of [
      await weightsAfter(1, [sequences]),
      await weightsAfter(
        16,
        sequences.map((one) => [one]),
      ),
    ])
      for (const [name, { data }] of whole) expect(largestError(other.get(name)!.data, data), name).toBeLessThan(1e-6);
  });

  it("shows its sampler what the vision tower has learnt", () =>
    using({}, async (trainer) => {
      const options = { temperature: 0, maxTokens: 6, seed: 0 };
      const [before] = await trainer.sampler().generate(prompts.slice(0, 1), options);
      await learn(trainer, 2);
      const [after] = await trainer.sampler().generate(prompts.slice(0, 1), options);
      expect(after![0]!.tokenIds).not.toEqual(before![0]!.tokenIds);
      const written = [{ prompt: prompts[0], completion: after![0]!.tokenIds! }];
      const { logProbs } = await trainer.forwardBackward(written, weighted(0));
      expect(largestError(after![0]!.logProbs!, logProbs[0]!)).toBeLessThan(1e-5);
    }));

  it.each([{}, { lora: { rank: 2 } }])("saves the same bytes again after loading: %j", async (options) => {
    const [first, second] = [await mkdtemp(join(scratch, "a-")), await mkdtemp(join(scratch, "b-"))];
    await using(options, async (trainer) => {
      await learn(trainer, 2);
      await trainer.save(first);
    });
    await using({ ...options, seed: 9 }, async (trainer) => {
      await trainer.load(first);
      await trainer.save(second);
    });
    const files = await readdir(first);
    expect(files).toContain("optimizer.safetensors");
    expect((await readdir(second)).sort()).toEqual(files.sort());
    for (const file of files) expect(await sameBytes(join(second, file), join(first, file)), file).toBe(true);
  });

  it.each([{}, { lora: { rank: 2 } }])("keeps a quarter of what each weight has learnt, and no moment: %j", (options) =>
    using(options, async (trainer) => {
      const [begun, learnt, kept] = ["begun-", "learnt-", "kept-"].map((name) => mkdtemp(join(scratch, name)));
      await trainer.save(await begun!);
      await learn(trainer, 2);
      await trainer.save(await learnt!);
      await trainer.interpolate!(0.25);
      await trainer.save(await kept!);
      const file = options.lora ? "adapter_model.safetensors" : "model.safetensors";
      const [first, second, third] = await Promise.all(
        [begun, learnt, kept].map(async (dir) => readSafetensors(join((await dir)!, file))),
      );
      for (const [name, { data }] of third!) {
        // An adapter adds B A: its first factor stays as it is.
        const [from, to] = [first!.get(name)!.data, second!.get(name)!.data];
        const expected = to.map((x, i) => (/lora_A/.test(name) ? x : from[i]! + 0.25 * (x - from[i]!)));
        expect(largestError(data, expected), name).toBeLessThan(1e-7);
      }
      const anew = await Promise.all(
        [begun, kept].map((dir) => dir!.then((path) => join(path, "optimizer.safetensors"))),
      );
      expect(await sameBytes(anew[0]!, anew[1]!)).toBe(true);
      expect(JSON.parse(await readFile(join((await kept)!, "optimizer.json"), "utf8"))).toEqual({ step: 0 });
      await expect(trainer.optimStep({ learningRate: 1 })).rejects.toThrow(TrainingError);
    }),
  );

  it("saves a Hugging Face directory, in float32 whatever the checkpoint was", async () => {
    const [half, dir] = [join(scratch, "half"), join(scratch, "saved")];
    await cp(checkpointDir, half, { recursive: true });
    const config = JSON.parse(await readFile(join(half, "config.json"), "utf8"));
    await writeFile(
      join(half, "config.json"),
      JSON.stringify({ ...config, dtype: undefined, torch_dtype: "bfloat16" }),
    );
    await using({ model: half }, (trainer) => trainer.save(dir));
    const copied = (await readdir(checkpointDir)).filter(
      (file) => file !== "config.json" && file !== "model.safetensors",
    );
    for (const file of copied) expect(await sameBytes(join(dir, file), join(half, file)), file).toBe(true);
    expect(JSON.parse(await readFile(join(dir, "config.json"), "utf8"))).toEqual({
      ...config,
      dtype: undefined,
      torch_dtype: "float32",
    });
    await using({ model: dir }, async (trainer) => {
      const expected = (await referenceArrays()).get("one picture/logProbs")!.data;
      expect(largestError((await logProbsOf(trainer))[0]!, expected)).toBeLessThan(1e-5);
    });
  });

  it("saves nothing of the run whose checkpoint it began with", async () => {
    const [run, dir] = [join(scratch, "step-2"), join(scratch, "begun with it")];
    await using({}, async (trainer) => {
      await learn(trainer, 1);
      await trainer.save(run);
    });
    await writeFile(join(run, "state.json"), "{}");
    await using({ model: run }, (trainer) => trainer.save(dir));
    const files = await readdir(run);
    expect((await readdir(dir)).sort()).toEqual(files.filter((file) => file !== "state.json").sort());
    expect(JSON.parse(await readFile(join(dir, "optimizer.json"), "utf8"))).toEqual({ step: 0 });
  });

  it("continues from a checkpoint in several files under transformers' names", async () => {
    const dir = join(scratch, "sharded");
    const [trained, read] = await using({}, async (trainer) => {
      await learn(trainer, 1);
      await trainer.save(dir);
      return [await logProbsOf(trainer), await readSafetensors(join(dir, "model.safetensors"))];
    });
    for (const file of ["model.safetensors", "optimizer.json", "optimizer.safetensors"]) await rm(join(dir, file));
    const weight_map: Record<string, string> = {};
    for (const [k, part] of ["a.safetensors", "b.safetensors"].entries()) {
      const names = [...read].filter((_, i) => i % 2 === k);
      const nested = (name: string) =>
        name.startsWith("visual.") ? `model.${name}` : name.replace(/^model\./, "model.language_model.");
      await writeSafetensors(join(dir, part), new Map(names.map(([name, tensor]) => [nested(name), tensor])));
      for (const [name] of names) weight_map[nested(name)] = part;
    }
    await writeFile(join(dir, "model.safetensors.index.json"), JSON.stringify({ weight_map }));
    await using({}, async (trainer) => {
      await trainer.load(dir);
      expect(await logProbsOf(trainer)).toEqual(trained);
    });
  });

  it("says so when it is to load an adapter, or a whole checkpoint where an adapter belongs", async () => {
    const [whole, adapter] = [join(scratch, "whole"), join(scratch, "adapter")];
    await using({}, async (full) => {
      await full.save(whole);
      await using({ lora: { rank: 2 } }, async (lora) => {
        await lora.save(adapter);
        await expect(full.load(adapter)).rejects.toThrow(/expected a whole checkpoint, got a LoRA adapter/);
        await expect(lora.load(whole)).rejects.toThrow(/expected a LoRA adapter, got a whole checkpoint/);
      });
    });
    await expect(onnxTrainer({ model: adapter, device: "cpu" })).rejects.toThrow(
      /expected a model, got a LoRA adapter: mergeAdapter/,
    );
  });

  it("has a sampler that tells apart what it has learnt", () =>
    using({ lora: { rank: 2 } }, async (trainer) => {
      const digest = () => trainer.sampler().weightsDigest!();
      const before = digest();
      expect(digest()).toBe(before);
      await trainer.save(join(scratch, "before"));
      await learn(trainer, 1);
      expect(digest()).not.toBe(before);
      await trainer.load(join(scratch, "before"));
      expect(digest()).toBe(before);
    }));

  it("continues from weights alone, as PEFT and transformers save them, as if it had begun there", async () => {
    const [bare, trained] = [join(scratch, "bare"), join(scratch, "trained")];
    await using({}, async (trainer) => {
      await learn(trainer, 1);
      await trainer.save(bare);
    });
    for (const file of ["optimizer.json", "optimizer.safetensors"]) await rm(join(bare, file));
    const continued = await using({}, async (trainer) => {
      await learn(trainer, 2);
      await trainer.load(bare);
      await learn(trainer, 2);
      await trainer.save(trained);
      return logProbsOf(trainer);
    });
    const begun = await using({ model: bare }, async (trainer) => {
      await learn(trainer, 2);
      return logProbsOf(trainer);
    });
    expect(continued).toEqual(begun);
    // A state of which a part is missing is no state.
    await rm(join(trained, "optimizer.json"));
    await using({}, (trainer) => expect(trainer.load(trained)).rejects.toThrow("optimizer.json"));
  });

  it("is not changed by a folder that it cannot load", async () => {
    const dir = join(scratch, "broken");
    await using({}, async (trainer) => {
      await learn(trainer, 1);
      await trainer.save(dir);
      const before = await logProbsOf(trainer);
      await learn(trainer, 1);
      const later = await logProbsOf(trainer);
      await writeFile(join(dir, "optimizer.json"), "{}");
      await expect(trainer.load(dir)).rejects.toThrow(CheckpointError);
      await expect(trainer.load(dir)).rejects.toThrow('optimizer.json: expected { "step": integer }');
      await expect(trainer.load(join(scratch, "nowhere"))).rejects.toThrow("nowhere: expected model.safetensors");
      expect(await logProbsOf(trainer)).toEqual(later);
      await writeFile(join(dir, "optimizer.json"), '{"step":1}');
      await trainer.load(dir);
      expect(await logProbsOf(trainer)).toEqual(before);
    });
  });
});

describe("onnxTrainer.load of a state that no run has left", () => {
  const change = async (file: string, alter: (data: Float32Array, name: string) => void) => {
    const tensors = await readSafetensors(file);
    for (const [name, { data }] of tensors) alter(data, name);
    await writeSafetensors(file, tensors);
  };
  const states: readonly (readonly [string, RegExp, (dir: string) => Promise<void>])[] = [
    ...["-5", "0.5", "1e300", '"3"', "null"].map(
      (step) =>
        [
          `step ${step}`,
          /optimizer\.json: expected \{ "step": integer \} from 0 on, got \{.*step/,
          (dir: string) => writeFile(join(dir, "optimizer.json"), `{ "step": ${step} }`),
        ] as const,
    ),
    [
      "no adapter settings",
      /adapter_config\.json: expected an object of settings, got null/,
      (dir) => writeFile(join(dir, "adapter_config.json"), "null"),
    ],
    ["null", /optimizer\.json: expected .* got null/, (dir) => writeFile(join(dir, "optimizer.json"), "null")],
    [
      "a moment that is NaN",
      /optimizer\.safetensors: expected finite numbers in exp_avg.*, got NaN/,
      (dir) => change(join(dir, "optimizer.safetensors"), (data) => void (data[0] = Number.NaN)),
    ],
    [
      "a mean of squares below 0",
      /optimizer\.safetensors: expected means of squares, which are not negative, in exp_avg_sq\/.*, got -1/,
      (dir) =>
        change(
          join(dir, "optimizer.safetensors"),
          (data, name) => void (data[1] = name.includes("_sq/") ? -1 : data[1]!),
        ),
    ],
    [
      "moments before the first step",
      /optimizer\.safetensors: expected zeros, since no update was made yet, in exp_avg/,
      (dir) => writeFile(join(dir, "optimizer.json"), '{ "step": 0 }'),
    ],
    [
      "moments of another shape",
      /optimizer\.safetensors: not what is being trained/,
      (dir) =>
        writeSafetensors(
          join(dir, "optimizer.safetensors"),
          new Map([["exp_avg/x", { shape: [2], data: Float32Array.of(1, 2) }]]),
        ),
    ],
    [
      "weights that are infinite",
      /expected finite numbers in .*lora_A.*, got Infinity/,
      (dir) => change(join(dir, "adapter_model.safetensors"), (data) => void (data[0] = Number.POSITIVE_INFINITY)),
    ],
  ];

  it.each(states)("is refused, and changes nothing: %s", async (name, message, damage) => {
    const dir = join(scratch, `state ${name}`);
    await using({ lora: { rank: 2 } }, async (trainer) => {
      await learn(trainer, 2);
      await trainer.save(dir);
      const before = await logProbsOf(trainer);
      await damage(dir);
      await expect(trainer.load(dir)).rejects.toThrow(CheckpointError);
      await expect(trainer.load(dir)).rejects.toThrow(message);
      expect(await logProbsOf(trainer)).toEqual(before);
    });
  });

  it("is refused where a run wrote digests and one bit is another", async () => {
    const dir = join(scratch, "flipped");
    await using({ lora: { rank: 2 } }, async (trainer) => {
      await learn(trainer, 1);
      await trainer.save(dir);
      await writeSums(dir, ["adapter_model.safetensors", "optimizer.json"]);
      await trainer.load(dir);
      const file = join(dir, "adapter_model.safetensors");
      const bytes = await readFile(file);
      bytes[bytes.length - 1]! ^= 1;
      await writeFile(file, bytes);
      await expect(trainer.load(dir)).rejects.toThrow(/adapter_model\.safetensors is damaged: expected SHA-256/);
      await rm(file);
      await expect(trainer.load(dir)).rejects.toThrow(/adapter_model\.safetensors is missing, which SHA256SUMS names/);
    });
  });
});

describe("a step that reaches only some weights", () => {
  const words: TrainSequence = { prompt: promptOf(reference.cases[2]!), completion: reference.cases[2]!.completionIds };
  /** Like plain descent, but it leaves its mark in every gradient's array, as it may. */
  const marking: typeof descent = {
    ...descent,
    update(gradients, ...rest) {
      descent.update(gradients, ...rest);
      for (const gradient of gradients.values()) gradient.fill(7);
    },
  };

  it.each([
    ["every weight", {}],
    ["LoRA on both towers", { lora: { rank: 2, targetModules: "all-linear" } }],
    ["LoRA on the vision tower alone", { lora: { rank: 2, targetModules: ["attn.qkv", "merger.mlp.2"] } }],
    ["LoRA on one layer of each tower", { lora: { rank: 2, targetModules: ["blocks.1.mlp.fc1", "0.mlp.up_proj"] } }],
  ] as const)("leaves the vision tower alone behind a step with images: %s", async (_, options) => {
    const file = "lora" in options ? "adapter_model.safetensors" : "model.safetensors";
    await using({ ...options, optimizer: marking }, async (trainer) => {
      const weights = async () => {
        const dir = await mkdtemp(join(scratch, "reached-"));
        await trainer.save(dir);
        return readSafetensors(join(dir, file));
      };
      await learn(trainer, 2, 1e-4);
      const before = await weights();
      await trainer.forwardBackward([words], raise);
      const { gradNorm } = await trainer.optimStep({ learningRate: 1e-3 });
      const after = await weights();
      const moved = [...before].filter(([name, { data }]) => largestError(after.get(name)!.data, data) > 0);
      const names = moved.map(([name]) => name);
      expect(names.filter((name) => name.includes("visual"))).toEqual([]);
      expect(names.length > 0).toBe([...before.keys()].some((name) => !name.includes("visual")));
      const squares = moved.flatMap(([name, { data }]) =>
        [...data].map((x, i) => (x - after.get(name)!.data[i]!) ** 2),
      );
      expect(gradNorm).toBeCloseTo(Math.sqrt(squares.reduce((a, b) => a + b, 0)) / 1e-3, 2);
    });
  });

  it("lets AdamW decay what received nothing, and move on from its mean of before, as a gradient of zero does", () =>
    using({ optimizer: adamw({ weightDecay: 0.1 }) }, async (trainer) => {
      const tensors = async (file: string) => {
        const dir = await mkdtemp(join(scratch, "decayed-"));
        await trainer.save(dir);
        return readSafetensors(join(dir, file));
      };
      const name = "visual.merger.ln_q.weight";
      await learn(trainer, 1, 1e-3);
      const [weights, state] = [await tensors("model.safetensors"), await tensors("optimizer.safetensors")];
      await trainer.forwardBackward([words], raise);
      await trainer.optimStep({ learningRate: 1e-3 });
      const [after, moments] = [await tensors("model.safetensors"), await tensors("optimizer.safetensors")];
      const [w, m, v] = [weights.get(name)!.data, ...["exp_avg/", "exp_avg_sq/"].map((k) => state.get(k + name)!.data)];
      const [m2, v2] = [m!.map((x) => 0.9 * x), v!.map((x) => 0.999 * x)];
      expect(largestError(moments.get(`exp_avg/${name}`)!.data, m2)).toBeLessThan(1e-9);
      const expected = w!.map(
        (x, i) => (1 - 1e-4) * x - (1e-3 * m2[i]!) / (1 - 0.9 ** 2) / (Math.sqrt(v2[i]! / (1 - 0.999 ** 2)) + 1e-8),
      );
      expect(largestError(after.get(name)!.data, expected)).toBeLessThan(1e-6);
    }));
});

describe("gradient checkpointing", () => {
  it.each([{}, { lora: { rank: 4 } }])("changes no log-prob and no step, %o", async (options) => {
    const [kept, again] = await Promise.all(
      [false, true].map((gradientCheckpointing) =>
        using({ ...options, gradientCheckpointing, optimizer: descent }, async (trainer) => {
          await learn(trainer, 2, 1e-4);
          return logProbsOf(trainer);
        }),
      ),
    );
    kept!.forEach((row, i) => void expect(largestError(again![i]!, row)).toBeLessThan(1e-6));
  });
});

describe("onnxTrainer, when things go wrong", () => {
  it("forgets the gradient of a batch that was stopped half-way", () =>
    using({ rowsAtOnce: 1 }, async (trainer) => {
      await trainer.forwardBackward(sequences, raise);
      const controller = new AbortController();
      const stopping: LossFn = (rows) => {
        controller.abort(new Error("enough"));
        return raise(rows);
      };
      const { signal } = controller;
      await expect(trainer.forwardBackward(sequences, stopping, { signal })).rejects.toThrow("enough");
      await expect(trainer.optimStep({ learningRate: 1 })).rejects.toThrow(TrainingError);
    }));

  it("makes no step along a gradient that overflowed, and makes the next", () =>
    using({}, async (trainer) => {
      const before = await logProbsOf(trainer);
      await trainer.forwardBackward(sequences, weighted(1e38));
      await expect(trainer.optimStep({ learningRate: 1e-3 })).rejects.toThrow("expected a finite gradient, got norm");
      expect(await logProbsOf(trainer)).toEqual(before);
      await trainer.forwardBackward(sequences, raise);
      expect((await trainer.optimStep({ learningRate: 1e-5 })).gradNorm).toBeGreaterThan(0);
    }));

  it("writes no checkpoint of weights that are not numbers", () =>
    using({}, async (trainer) => {
      await learn(trainer, 1, 1e40);
      const dir = join(scratch, "diverged");
      await expect(trainer.save(dir)).rejects.toThrow(/expected finite weights; nothing was written to .*diverged/);
      expect(await readdir(scratch)).not.toContain("diverged");
    }));

  it("says that the weights have diverged, in training and in sampling", () =>
    using({}, async (trainer) => {
      await learn(trainer, 1, 1e30);
      await expect(trainer.forwardBackward(sequences, raise)).rejects.toThrow(TrainingError);
      await expect(trainer.forwardBackward(sequences, raise)).rejects.toThrow(
        "log-probs, row 0, token 0: expected a finite",
      );
      const assumedLogProbs = sequences.map(({ completion }) => completion.map(() => -1));
      await expect(trainer.forwardBackward(sequences, raise, { assumedLogProbs })).rejects.toThrow(TrainingError);
      const sampling = trainer.sampler().generate(prompts, { maxTokens: 2, seed: 0 });
      await expect(sampling).rejects.toThrow(BackendError);
    }));

  it("refuses a sequence that is longer than the model's context", () =>
    using({}, async (trainer) => {
      const long = { prompt: promptOf(reference.cases[0]!), completion: Array<number>(512).fill(5) };
      const message =
        /^sequence 0: expected its tokens to fit the model's context of 512, got \d+ of the prompt and 512/;
      await expect(trainer.logProbs([long])).rejects.toThrow(message);
      await expect(trainer.backward([long], [long.completion])).rejects.toThrow(message);
      await expect(trainer.entropies([long])).rejects.toThrow(DataError);
    }));

  it("refuses options that it does not know, as it would score something else", () =>
    using({}, async (trainer) => {
      const asking = (options: object) => trainer.logProbs(sequences, options);
      await expect(asking({ policy: "refernce" })).rejects.toThrow(
        'trainer: expected policy to be one of current, reference, got "refernce"; did you mean "reference"?',
      );
      await expect(asking({ temprature: 0.5 })).rejects.toThrow(
        'unknown option "temprature"; did you mean "temperature"?',
      );
      await expect(trainer.entropies(sequences, { temprature: 0.5 } as object)).rejects.toThrow(ConfigError);
      const cotangents = sequences.map(({ completion }) => completion.map(() => -1));
      const misspelt = { entropyCotangent: cotangents } as object;
      await expect(trainer.backward(sequences, cotangents, misspelt)).rejects.toThrow(ConfigError);
      await expect(trainer.optimStep({ learningRate: 1 })).rejects.toThrow(TrainingError);
      for (const dir of [undefined, 5, null] as unknown as readonly string[]) {
        await expect(trainer.save(dir)).rejects.toThrow(/^save: expected dir to be text, got/);
        await expect(trainer.load(dir)).rejects.toThrow(/^load: expected dir to be text, got/);
        expect(() => trainer.encode(dir)).toThrow(/^encode: expected text to be text, got/);
      }
    }));

  it("neither scores nor samples after it was disposed", async () => {
    const trainer = await onnxTrainer({ model: checkpointDir, device: "cpu" });
    await trainer.dispose();
    await expect(trainer.logProbs(sequences)).rejects.toThrow("got one after dispose(); make a new one");
    const sampling = trainer.sampler().generate(prompts, { maxTokens: 2, seed: 0 });
    await expect(sampling).rejects.toThrow("got one after dispose(); make a new one");
    await trainer.dispose();
  });
});
