import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { GenerateOptions, VlmBackend } from "../../src/backend";
import { BackendError, CheckpointError, ConfigError, DataError } from "../../src/errors";
import { type GrpoSettings, grpoPresets } from "../../src/grpo/presets";
import { riseCot as withDefaultTrainer } from "../../src/index";
import { promptText } from "../../src/prompts/prompt-text";
import { paperReward, strictReward } from "../../src/reward/paper";
import type { Judgement } from "../../src/reward/reward";
import { type RiseCotOptions, riseCot } from "../../src/rise/rise-cot";
import { sampleRollouts } from "../../src/rise/sample";
import { classification } from "../../src/tasks/classification";
import { promptKey, scriptedBackend } from "../../src/testing/scripted-backend";
import { scriptedTrainer } from "../../src/testing/scripted-trainer";
import type { Trainer } from "../../src/trainer";
import type { Completion, LabelDistribution } from "../../src/types";
import {
  collect,
  contents,
  cotRun,
  cotTrainer,
  dataset,
  leaking,
  mean,
  moods,
  raining,
  readRows,
  smiling,
  withFolders,
} from "./world";

const run = (options: Partial<RiseCotOptions<LabelDistribution>> = {}) => cotRun({ trainer: cotTrainer(), ...options });

describe("riseCot with a policy that learns", () => {
  it("learns cots from which the annotation can be told", async () => {
    const {
      dataset: rows,
      kept,
      metrics,
    } = await run({ steps: 100, groupSize: 8, examplesPerStep: 3, learningRate: 50 });
    const rewards = metrics.filter(({ stage }) => stage === "train").map(({ reward }) => reward as number);
    expect(mean(rewards.slice(0, 10))).toBeLessThan(0.4);
    expect(mean(rewards.slice(-10))).toBeGreaterThan(0.95);
    expect(rows.map(({ exampleId }) => exampleId)).toEqual(["party", "picnic", "funeral"]);
    expect(kept).toEqual(rows);
    for (const { cot } of kept) expect([smiling, raining]).toContain(cot);
  });

  it("rates a cot by all its reconstructions, where it has several", async () => {
    const several = { cotMaxTokens: 64, reconstructionsPerCot: 3 };
    const events = await collect(run({ steps: 2, groupSize: 2, sampling: several, finalPass: false }));
    const rollouts = events.flatMap((event) => (event.type === "rollout-end" ? [event.rollout] : []));
    expect(rollouts.length).toBe(2 * 2 * 2 * 3);
    expect(rollouts.slice(0, 6).map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    const byCot = new Map<string, number[]>();
    for (const { cot, exampleId, index, reward } of rollouts) {
      const key = `${exampleId} ${Math.floor(index / 3)} ${cot.text}`;
      byCot.set(key, [...(byCot.get(key) ?? []), reward.reward]);
    }
    expect([...byCot.values()].every((rewards) => rewards.length % 3 === 0)).toBe(true);
    const end = events.find((event) => event.type === "run-end")!;
    for (const { exampleId, cot, reward } of end.result.dataset) {
      const means = [...byCot].filter(([key]) => key.startsWith(exampleId)).map(([, rewards]) => mean(rewards));
      expect(reward).toBeCloseTo(Math.max(...means), 12);
      expect([...byCot.keys()].some((key) => key.startsWith(exampleId) && key.endsWith(cot))).toBe(true);
    }
    const lengths = events.flatMap((event) => (event.type === "step-end" ? [event.metrics.num_tokens as number] : []));
    const written = new Set(rollouts.slice(0, 12).flatMap(({ cot, reconstruction }) => [cot, reconstruction]));
    expect(lengths[0]).toBe([...written].reduce((sum, { tokenIds = [] }) => sum + tokenIds.length, 0));
  });

  it("stays near the policy it started as where KL is punished", async () => {
    const learning = { steps: 40, groupSize: 8, examplesPerStep: 3, learningRate: 20 };
    const lastKl = async (klCoefficient: number) => {
      const loss = { ...grpoPresets["rise-paper"].loss, klCoefficient };
      const { metrics } = await run({ ...learning, grpo: { ...grpoPresets["rise-paper"], loss } });
      return mean(
        metrics
          .filter(({ stage }) => stage === "train")
          .map(({ kl }) => kl as number)
          .slice(-10),
      );
    };
    const [loose, tight] = [await lastKl(1e-3), await lastKl(1)];
    expect(loose).toBeGreaterThan(0.1);
    expect(tight).toBeLessThan(loose / 4);
  });

  it("does not learn where it is told to learn with rate 0", async () => {
    const { metrics } = await run({ steps: 100, groupSize: 8, examplesPerStep: 3, learningRate: 0 });
    const rewards = metrics.filter(({ stage }) => stage === "train").map(({ reward }) => reward as number);
    expect(mean(rewards.slice(-10))).toBeLessThan(0.4);
  });

  it("never gives a leaking cot a reward, and says how many leak", async () => {
    const events = await collect(run());
    const rollouts = events.flatMap((event) => (event.type === "rollout-end" ? [event.rollout] : []));
    const leaks = rollouts.filter(({ cot }) => cot.text === leaking);
    expect(leaks.length).toBeGreaterThan(0);
    for (const { reward } of leaks) expect(reward).toMatchObject({ reward: 0, leaks: [{ text: "0.9" }] });
    const first = events.find((event) => event.type === "step-end")!;
    const ofFirst = rollouts.slice(0, 8);
    expect(first.metrics).toMatchObject({
      "rise/leak_rate": ofFirst.filter(({ reward }) => reward.leaks.length > 0).length / 8,
      reward: mean(ofFirst.map(({ reward }) => reward.reward)),
      "rewards/paperReward/mean": mean(ofFirst.map(({ reward }) => reward.reward)),
      num_tokens: ofFirst.reduce(
        (sum, { cot, reconstruction }) => sum + cot.tokenIds!.length + reconstruction.tokenIds!.length,
        0,
      ),
    });
  });

  it("keeps the policy's entropy up by a bonus, and logs the full entropy", async () => {
    const learning = { steps: 45, groupSize: 8, examplesPerStep: 3, learningRate: 20, finalPass: false };
    const preset = grpoPresets["rise-paper"];
    const entropies = async (loss: Partial<GrpoSettings["loss"]>) => {
      const { metrics } = await run({ ...learning, grpo: { ...preset, loss: { ...preset.loss, ...loss } } });
      return metrics.flatMap(({ stage, entropy }) => (stage === "train" ? [entropy as number | undefined] : []));
    };
    const [without, masked, kept] = [
      await entropies({}),
      await entropies({ corrections: { topEntropy: 1 } }),
      await entropies({ entropyCoefficient: 0.5 }),
    ];
    expect(new Set(without)).toEqual(new Set([undefined]));
    // The mask lets all tokens learn, so that the run is the one without it.
    expect(masked[0]).toBeGreaterThan(0);
    expect(kept[0]).toBeCloseTo(masked[0]!, 12);
    expect(masked.at(-1)).toBeLessThan(masked[0]! / 2);
    expect(kept.at(-1)).toBeGreaterThan(2 * masked.at(-1)!);
  });

  it("draws reconstructions by settings of their own, and the likeliest of them where it measures", () =>
    withFolders(1, async (runDir) => {
      const calls: GenerateOptions[] = [];
      const trainer = cotTrainer();
      const sampler = trainer.sampler();
      const recording: VlmBackend = {
        ...sampler,
        generate(prompts, options) {
          calls.push(options);
          return sampler.generate(prompts, options);
        },
      };
      const reconstruction = { temperature: 0.7, topK: 5, repetitionPenalty: 1.2 };
      const options = {
        ...{ trainer: { ...trainer, sampler: () => recording }, steps: 1, runDir: runDir!, preflight: false },
        sampling: { topP: 0.9, reconstruction },
        heldOut: [{ ...dataset[0]!, id: "held out" }],
      };
      await run(options);
      const settings = calls.map(({ temperature = 1, topP, topK, repetitionPenalty }) => [
        ...[temperature, topP, topK, repetitionPenalty],
      ]);
      const own = [0.9, 5, 1.2];
      expect(settings.slice(0, 4)).toEqual([
        [1, 0.9, undefined, undefined],
        [0.7, ...own],
        [0, 0.9, undefined, undefined],
        [0, ...own],
      ]);
      // The reward that the image alone would have earned.
      expect(settings.at(-1)).toEqual([0, ...own]);
      expect(JSON.parse(await readFile(join(runDir!, "config.json"), "utf8")).sampling).toMatchObject(options.sampling);
      const other = { ...options, resume: true, sampling: { topP: 0.9, reconstruction: { temperature: 0.8 } } };
      await expect(run(other)).rejects.toThrow(/sampling/);
    }));

  it("corrects for a sampler of another precision by TRL's default, unless it is told otherwise", () =>
    withFolders(4, async (...folders) => {
      const preset = grpoPresets["rise-paper"];
      const sampler = { level: "sequence", outside: "mask", min: 0, max: 3 };
      const told = (corrections: NonNullable<GrpoSettings["loss"]["corrections"]>) => ({
        grpo: { ...preset, loss: { ...preset.loss, corrections } },
      });
      for (const [i, [samplerDiffers, settings, expected]] of (
        [
          [false, {}, undefined],
          [true, {}, sampler],
          [
            true,
            told({ sampler: { level: "token", outside: "truncate", max: 2 } }),
            { level: "token", outside: "truncate", min: 0, max: 2 },
          ],
          [true, told({ sampler: false }), false],
        ] as const
      ).entries()) {
        const runDir = folders[i]!;
        const { metrics } = await run({ trainer: { ...cotTrainer(), samplerDiffers }, runDir, steps: 2, ...settings });
        const { grpo } = JSON.parse(await readFile(join(runDir, "config.json"), "utf8"));
        expect(grpo.loss.corrections?.sampler).toEqual(expected);
        expect(metrics.some((row) => row["rise/sampler_masked"] === 0)).toBe(Boolean(expected));
      }
      const again = { trainer: { ...cotTrainer(), samplerDiffers: true }, runDir: folders[0]!, steps: 2, resume: true };
      await expect(run(again)).rejects.toThrow(/grpo/);
    }));

  it("leaves the cots as they are where only reconstructions get credit", async () => {
    const probabilityOfCot = async (credit: "both" | "reconstruction") => {
      const trainer = cotTrainer();
      await run({ trainer, credit, steps: 10 });
      const sequence = { prompt: moods.cotPrompt(dataset[0]!), completion: trainer.encode(smiling) };
      const { logProbs } = await trainer.forwardBackward([sequence], (rows) => ({ loss: 0, gradient: [...rows] }));
      return logProbs[0]![0]!;
    };
    expect(await probabilityOfCot("reconstruction")).toBeCloseTo(Math.log(1 / 6), 12);
    expect(await probabilityOfCot("both")).not.toBeCloseTo(Math.log(1 / 6), 2);
  });

  it("gets the same from small passes as from one large one", async () => {
    const [whole, small] = [await run(), await run({ microBatch: 3 })];
    expect(small.dataset).toEqual(whole.dataset);
    for (const [i, row] of whole.metrics.entries())
      expect(small.metrics[i]!.grad_norm ?? 0).toBeCloseTo((row.grad_norm ?? 0) as number, 12);
  });

  it("says what the image alone would have earned", async () => {
    const { dataset: rows } = await run();
    for (const { similarity, imageOnlySimilarity, cotGain } of rows) {
      expect(cotGain).toBe(similarity - imageOnlySimilarity!);
      expect(imageOnlySimilarity).toBeGreaterThanOrEqual(0);
    }
  });

  it("keeps the best rollouts of training where there is no final pass", async () => {
    const events = await collect(run({ finalPass: false }));
    const rollouts = events.flatMap((event) => (event.type === "rollout-end" ? [event.rollout] : []));
    expect(rollouts).toHaveLength(6 * 8);
    const { result } = events.find((event) => event.type === "run-end")!;
    for (const { exampleId, reward } of result.dataset) {
      const rewards = rollouts
        .filter((rollout) => rollout.exampleId === exampleId)
        .map((rollout) => rollout.reward.reward);
      expect(reward).toBe(Math.max(...rewards));
    }
  });

  it("tells what happens in order: rollouts, their step, its checkpoint, at last the result", async () => {
    await withFolders(1, async (folder) => {
      const events = await collect(run({ runDir: folder!, resume: true, steps: 2 }));
      const types = events.map(({ type }) => type).filter((type) => !["warning", "progress"].includes(type));
      const eight = new Array<string>(8).fill("rollout-end");
      expect(types).toEqual([
        ...["run-start", "preflight-end"],
        ...[...eight, "step-end", ...eight, "step-end", "checkpoint-end"],
        ...[...eight, "step-end", ...eight.slice(0, 4), "step-end", "checkpoint-end", "run-end"],
      ]);
      const steps = events.flatMap((event) =>
        event.type === "step-end" ? [[event.stage, event.step, event.totalSteps]] : [],
      );
      expect(steps).toEqual([
        ["train", 1, 4],
        ["train", 2, 4],
        ["final", 3, 4],
        ["final", 4, 4],
      ]);
    });
  });

  it("warns when there is nothing to learn from, and leaves the weights alone", async () => {
    const trainer = cotTrainer();
    const reward: typeof strictReward = (task, parts) => {
      const { prediction, reward } = strictReward(task, parts);
      return { prediction, reward: { ...reward, reward: 0.5 } };
    };
    const events = await collect(run({ trainer, reward, steps: 1 }));
    expect(events.find((event) => event.type === "warning" && event.guard === "zero-std")).toMatchObject({ step: 1 });
    expect(events.findLast((event) => event.type === "warning")?.message).toContain("all rewards are equal");
    expect(events.find((event) => event.type === "step-end")?.metrics).toMatchObject({
      grad_norm: 0,
      frac_reward_zero_std: 1,
    });
  });

  it("takes an option that is undefined for one that is left out", async () => {
    const left = { credit: undefined, microBatch: undefined, sampling: undefined, seed: undefined } as object;
    expect((await run(left)).metrics).toEqual((await run()).metrics);
  });

  it("is not changed by what happens to the caller's lists while it runs", async () => {
    const growing = [...dataset];
    const late = { ...dataset[0]!, id: "late", annotation: { joy: 9 } };
    const changed = run({ dataset: growing });
    for await (const event of changed) if (event.type === "step-end" && event.step === 2) growing.push(late);
    expect(await changed).toEqual(await run());
  });

  it("is the same run for the same seed, another for another", async () => {
    const metrics = async (seed: number) => (await run({ seed })).metrics;
    expect(await metrics(1)).toEqual(await metrics(1));
    expect(await metrics(1)).not.toEqual(await metrics(2));
  });
});

describe("riseCot with a backend that cannot be trained", () => {
  it("keeps the best of G", async () => {
    const cots = [leaking, smiling, "Short."];
    const backend = scriptedBackend((prompt, rng) => {
      if (/Do not state the answer/.test(promptKey(prompt))) return cots[rng.integer(3)]!;
      return "{'joy': 0.80, 'sadness': 0.20}";
    });
    const { dataset: rows, kept, metrics } = await riseCot({ task: moods, dataset, backend, groupSize: 16 });
    expect(rows.map(({ cot }) => cot)).toEqual([smiling, smiling, smiling]);
    expect(kept.map(({ exampleId }) => exampleId)).toEqual(
      ["party", "picnic"].filter((_, i) => rows[i]!.reward >= 0.75),
    );
    // KLD = ln(1 / 0.8), MSE = 0.04
    expect(rows[0]!.similarity).toBeCloseTo(Math.exp(-(Math.log(1 / 0.8) + 0.04)), 6);
    expect(rows[0]!.cotGain).toBe(0);
    expect(metrics.map(({ stage }) => stage)).toEqual(["final", "final"]);
  });

  it("has a row for each of two examples that got the same completion", async () => {
    const backend = scriptedBackend((prompt) =>
      promptText(prompt).includes(smiling) ? "{'joy': 1, 'sadness': 0}" : smiling,
    );
    const known = new Map<string, Awaited<ReturnType<VlmBackend["generate"]>>[number]>();
    const caching: VlmBackend = {
      ...backend,
      async generate(prompts, { onPromptEnd, ...options }) {
        for (const prompt of prompts)
          if (!known.has(promptKey(prompt)))
            known.set(promptKey(prompt), (await backend.generate([prompt], options))[0]!);
        const groups = prompts.map((prompt) => known.get(promptKey(prompt))!);
        await Promise.all(groups.map((group, i) => onPromptEnd?.(i, group)));
        return groups;
      },
    };
    const twice = [dataset[0]!, { ...dataset[0]!, id: "the same party" }];
    const { dataset: rows } = await riseCot({ task: moods, dataset: twice, backend: caching, groupSize: 2 });
    expect(rows.map(({ exampleId }) => exampleId)).toEqual(["party", "the same party"]);
  });

  it("rates cots alike, whether the backend gives one object for equal texts or several", async () => {
    const scripted = scriptedBackend((prompt, rng) =>
      promptText(prompt).includes(smiling) ? `{'joy': ${rng.integer(2)}, 'sadness': 0}` : smiling,
    );
    const sharing: VlmBackend = {
      ...scripted,
      async generate(prompts, options) {
        const known = new Map<string, Completion>();
        const same = (one: Completion) => known.get(one.text) ?? known.set(one.text, one).get(one.text)!;
        return (await scripted.generate(prompts, options)).map((group) => group.map(same));
      },
    };
    const rows = async (backend: VlmBackend) => (await riseCot({ task: moods, dataset, backend })).dataset;
    expect(await rows(sharing)).toEqual(await rows(scripted));
  });

  it("keeps what an example earned that a step has twice, though it failed once", async () => {
    const backend = scriptedBackend(() => smiling);
    const failsFirst: VlmBackend = {
      ...backend,
      async generate(prompts, { onPromptEnd, ...options }) {
        const completions = [...(await backend.generate(prompts, options))];
        const isOfCots = prompts.every((prompt) => prompt === prompts[0] || !promptText(prompt).includes(smiling));
        if (isOfCots) completions[0] = [];
        const outcomes = completions.map((group) => (group.length > 0 ? group : new BackendError("refused")));
        await Promise.all(outcomes.map((outcome, i) => onPromptEnd?.(i, outcome)));
        return completions;
      },
    };
    const kept: number[] = [];
    const rollouts = await sampleRollouts({
      task: moods,
      backend: failsFirst,
      examples: [dataset[0]!, dataset[0]!],
      groupSize: 2,
      reward: paperReward,
      sampling: {
        ...{ temperature: 1, cotMaxTokens: 9, reconstructionMaxTokens: 9, reconstruction: {} },
        reconstructionsPerCot: 1,
      },
      seed: 0,
      signal: new AbortController().signal,
      onSampled: (_, __, count) => kept.push(count),
    });
    expect(kept).toEqual([0, 2]);
    expect(rollouts.length).toBe(2);
  });

  it("resumes after an interruption, too", () =>
    withFolders(2, async (a, b) => {
      const options = { task: moods, dataset, groupSize: 2, examplesPerStep: 1, checkpointEvery: 1 };
      const backend = () => scriptedBackend([smiling, raining, "{'joy': 1.00, 'sadness': 0.00}"]);
      const whole = await riseCot({ ...options, backend: backend(), runDir: a! });
      for await (const event of riseCot({ ...options, backend: backend(), runDir: b! }))
        if (event.type === "checkpoint-end") break;
      expect(await riseCot({ ...options, backend: backend(), runDir: b!, resume: true })).toEqual(whole);
      expect(await contents(b!)).toEqual(await contents(a!));
    }));
});

describe("a riseCot run directory", () => {
  it("holds settings, rollouts, metrics, cots and checkpoints", () =>
    withFolders(1, async (folder) => {
      const result = await run({ runDir: folder! });
      expect(await readRows(join(folder!, "cots.jsonl"))).toEqual(result.dataset);
      expect(await readRows(join(folder!, "metrics.jsonl"))).toEqual(result.metrics);
      const rollouts = await readRows(join(folder!, "rollouts.jsonl"));
      expect(rollouts).toHaveLength(6 * 8 + 12);
      expect(rollouts[0]).toMatchObject({
        ...{ stage: "train", step: 1, index: 0, advantage: expect.any(Number) },
        prompt: expect.stringMatching(/^<image>\n.*Do not state the answer/s),
        reward: { reward: expect.any(Number), similarity: expect.any(Number), leaks: [], format: expect.anything() },
      });
      const first = dataset.find(({ id }) => id === rollouts[0]!.exampleId)!;
      const { text } = rollouts[0]!.cot as { readonly text: string };
      expect(JSON.parse((await contents(folder!))["prompts.json"]!)).toEqual({
        cot: rollouts[0]!.prompt,
        reconstruction: promptText(moods.reconstructionPrompt(first, text)),
      });
      for (const { exampleId, truth } of rollouts)
        expect(truth).toEqual(dataset.find(({ id }) => id === exampleId)!.annotation);
      expect(result.adapter).toBe(join(folder!, "checkpoints", "step-6"));
      expect(Object.keys(await contents(folder!))).toEqual([
        "checkpoints/step-4/SHA256SUMS",
        "checkpoints/step-4/policy.json",
        "checkpoints/step-4/state.json",
        "checkpoints/step-6/SHA256SUMS",
        "checkpoints/step-6/policy.json",
        "checkpoints/step-6/state.json",
        "checkpoints/step-8/SHA256SUMS",
        "checkpoints/step-8/state.json",
        "config.json",
        "cots.jsonl",
        "environment.json",
        "examples.jsonl",
        "metrics.jsonl",
        "preflight.html",
        "prompts.json",
        "rollouts.jsonl",
      ]);
    }));

  it("names the versions and the device that the policy computes with", () =>
    withFolders(1, async (runDir) => {
      const policy = cotTrainer();
      const sampler = { ...policy.sampler(), versions: { torch: "2.14.1", device: "cuda" } };
      await run({ runDir: runDir!, trainer: { ...policy, sampler: () => sampler } });
      const environment = JSON.parse((await contents(runDir!))["environment.json"]!);
      expect(environment).toMatchObject({ node: process.versions.node, torch: "2.14.1", device: "cuda" });
    }));

  it("holds an annotation whole, though its labels have the names of what a completion's row lacks", () =>
    withFolders(1, async (runDir) => {
      const task = classification({ labels: ["logProbs", "tokenIds"] });
      const annotation = { logProbs: 1, tokenIds: 0 };
      const trainer = scriptedTrainer({ texts: [smiling, task.format(annotation)] });
      const examples = [{ id: "odd", image: "odd.png", annotation }];
      await riseCot({ task, dataset: examples, trainer, steps: 1, groupSize: 4, runDir });
      const rows = await readRows(join(runDir, "rollouts.jsonl"));
      expect(rows.map(({ truth }) => truth)).toEqual(rows.map(() => annotation));
      expect(rows.map(({ prediction }) => prediction)).toContainEqual(annotation);
      for (const { cot } of rows) expect(Object.keys(cot as object)).toEqual(["text", "finishReason"]);
    }));

  it("is byte for byte the same, and so is the policy, wherever the run was interrupted", () =>
    withFolders(1, async (a) => {
      const uninterrupted = cotTrainer();
      const whole = await run({ trainer: uninterrupted, runDir: a! });
      const expected = await contents(a!);
      for (const [type, nth] of [
        ["rollout-end", 1],
        ["step-end", 1],
        ["step-end", 3],
        ["checkpoint-end", 2],
        ["rollout-end", 37],
        ["step-end", 6],
        ["step-end", 7],
      ] as const) {
        await withFolders(1, async (b) => {
          const stop = new AbortController();
          let seen = 0;
          const interrupted = async () => {
            for await (const event of run({ runDir: b!, signal: stop.signal }))
              if (event.type === type && ++seen === nth) stop.abort(new Error("killed"));
          };
          await expect(interrupted()).rejects.toThrow("killed");
          const trainer = cotTrainer();
          const resumed = await run({ trainer, runDir: b!, resume: true });
          expect(resumed.dataset).toEqual(whole.dataset);
          expect(resumed.metrics).toEqual(whole.metrics);
          expect(await contents(b!), `interrupted at ${type} ${nth}`).toEqual(expected);
          expect(await readRows(join(b!, "timings.jsonl"))).toHaveLength(whole.metrics.length);
          expect(await logProbs(trainer)).toEqual(await logProbs(uninterrupted));
        });
      }
    }));

  it("survives a second interruption and a checkpoint that was not finished", () =>
    withFolders(2, async (a, b) => {
      await run({ runDir: a! });
      for (const steps of [3, 2]) {
        let seen = 0;
        for await (const event of run({ runDir: b!, resume: true }))
          if (event.type === "step-end" && ++seen === steps) break;
      }
      await cotTrainer().save(join(b!, "checkpoints", ".step-6.partial"));
      await run({ runDir: b!, resume: true });
      expect(await contents(b!)).toEqual(await contents(a!));
    }));

  it("gives the same result when a finished run is resumed", () =>
    withFolders(1, async (folder) => {
      const first = await run({ runDir: folder! });
      const before = await contents(folder!);
      expect(await run({ runDir: folder!, resume: true })).toEqual(first);
      expect(await contents(folder!)).toEqual(before);
    }));

  it("is not written into without resume when there is something in it", () =>
    withFolders(1, async (folder) => {
      await run({ runDir: folder!, steps: 1 });
      await expect(run({ runDir: folder!, steps: 1 })).rejects.toThrow(CheckpointError);
      await expect(run({ runDir: folder!, steps: 1 })).rejects.toThrow(/not empty.*resume/);
    }));

  it("is not resumed with other settings or other data, and says which differ", () =>
    withFolders(1, async (folder) => {
      await run({ runDir: folder!, steps: 1 });
      const again = (options: Partial<RiseCotOptions<LabelDistribution>>) =>
        run({ runDir: folder!, steps: 1, resume: true, ...options });
      await expect(again({ seed: 7, groupSize: 5 })).rejects.toThrow(CheckpointError);
      await expect(again({ seed: 7, groupSize: 5 })).rejects.toThrow(
        /groupSize \(4 there, 5 here\); seed \(0 there, 7 here\)/,
      );
      await expect(again({ grpo: grpoPresets.trl })).rejects.toThrow(
        /grpo\.loss\.lossType \("grpo" there, "dapo" here\)/,
      );
      await expect(again({ learningRate: (step) => step })).rejects.toThrow(/learningRate \(2 there, absent here\)/);
      await expect(again({ dataset: dataset.slice(1) })).rejects.toThrow(/dataset\.examples \(3 there, 2 here\)/);
      const otherwise = { ...moods, reconstructionPrompt: moods.answerPrompt };
      await expect(again({ task: otherwise })).rejects.toThrow(/settings: prompts\.sha256/);
      await expect(again({ reward: strictReward })).rejects.toThrow(/"paperReward" there, "strictReward" here/);
    }));
});

describe("riseCot stops", () => {
  /** A trainer that tells how often it was sampled, twice a step. */
  const watched = (onSample: () => void): Trainer => {
    const trainer = cotTrainer();
    const sampler = trainer.sampler();
    const generate: typeof sampler.generate = (prompts, options) => {
      onSample();
      return sampler.generate(prompts, options);
    };
    return { ...trainer, sampler: () => ({ ...sampler, generate }) };
  };

  it("when the loop is left, without another step", async () => {
    let samples = 0;
    const trainer = watched(() => samples++);
    for await (const event of run({ trainer, preflight: false }))
      if (event.type === "step-end" && event.step === 3) break;
    expect(samples).toBe(6);
  });

  it("when its signal aborts, at the next place and with the signal's reason", async () => {
    const stop = new AbortController();
    let samples = 0;
    const trainer = watched(() => ++samples === 3 && stop.abort(new Error("enough")));
    await expect(run({ trainer, signal: stop.signal })).rejects.toThrow("enough");
    expect(samples).toBe(3);
  });

  it("and disposes of a trainer that it made itself, and of no other", async () => {
    let disposed = 0;
    const trainer = { ...cotTrainer(), dispose: async () => void disposed++ };
    await run({ trainer, steps: 1 });
    expect(disposed).toBe(0);
    for await (const event of run({ trainer: async () => trainer })) if (event.type === "step-end") break;
    expect(disposed).toBe(1);
  });
});

describe("riseCot refuses", () => {
  const rejection = (options: Partial<RiseCotOptions<LabelDistribution>>) => expect(run(options)).rejects;

  it("a trainer together with a backend, and neither", async () => {
    await rejection({ backend: scriptedBackend(["a"]) }).toThrow(ConfigError);
    await expect(riseCot({ task: moods, dataset })).rejects.toThrow(/trainer or a backend, got neither/);
  });

  it("to learn from greedy rollouts, which are all the same", () =>
    rejection({ sampling: { temperature: 0 } }).toThrow(/sampling\.temperature to be a finite number above 0, got 0/));

  it("counts that are not counts", async () => {
    await rejection({ groupSize: 1 }).toThrow(/groupSize.*at least 2, got 1/);
    await rejection({ examplesPerStep: 0 }).toThrow(/examplesPerStep.*at least 1, got 0/);
    await rejection({ steps: 1.5 }).toThrow(/steps.*got 1.5/);
    await rejection({ learningRate: () => Number.NaN }).toThrow(
      /learningRate to be a number of at least 0, got NaN for step 0/,
    );
  });

  it("settings that cannot be used before a model is loaded", async () => {
    const trainer = async () => expect.fail("a model was loaded");
    const wrong: [Partial<RiseCotOptions<LabelDistribution>>, RegExp][] = [
      [{ groupSize: 1 }, /groupSize.*at least 2, got 1/],
      [{ threshold: Number.NaN }, /threshold to be a number, got NaN/],
      [{ credit: "cot" as "both" }, /credit to be one of both, reconstruction, got "cot"/],
      [{ sampling: { cotMaxTokens: 0 } }, /sampling\.cotMaxTokens.*at least 1, got 0/],
      [{ learningRate: -1 }, /learningRate to be a number of at least 0, or a function of the step, got -1/],
      [
        { learningRate: "2e-5" as unknown as number },
        /learningRate to be a number of at least 0, or a function.*got "2e-5"/,
      ],
      [{ grpo: "trl" as unknown as GrpoSettings }, /grpo to be \{ advantages, loss \}.*got "trl"/],
      [{ grpo: { advantages: { scale: "tokens" }, loss: {} } }, /scale "tokens" expect lengths/],
      [{ grpo: { advantages: {}, loss: { entropyCoefficient: Number.NaN } } }, /entropyCoefficient to be a number/],
      [{ grpo: { advantages: {}, loss: { lossType: "vespo", corrections: { sampler: {} } } } }, /level "token"/],
      [{ sampling: { topP: 0 } }, /riseCot: expected sampling\.topP to be in \(0, 1\], got 0/],
      [{ sampling: { topK: 0.5 } }, /sampling\.topK to be a whole number of at least 1, got 0.5/],
      [{ sampling: { repetitionPenalty: -1 } }, /sampling\.repetitionPenalty to be a finite number above 0, got -1/],
      [
        { sampling: { reconstruction: { temperature: 0 } } },
        /sampling\.reconstruction\.temperature to be a finite number above 0/,
      ],
      [{ sampling: { reconstruction: { topp: 1 } as object } }, /"sampling.reconstruction.topp".*reconstruction.topP/],
    ];
    for (const [options, message] of wrong) await rejection({ ...options, trainer }).toThrow(message);
  });

  it("an empty dataset, an id that occurs twice, an annotation that is not one", async () => {
    await rejection({ dataset: [] }).toThrow(DataError);
    await rejection({ dataset: [dataset[0]!, dataset[0]!] }).toThrow(/"party" twice/);
    await rejection({ dataset: [{ ...dataset[0]!, annotation: { joy: 0.5, sadness: 0.1 } }] }).toThrow(
      /example party: expected a sum of 1/,
    );
  });

  it("examples that were not awaited, and one without an id or an image", async () => {
    const stream = (async function* () {
      yield* dataset;
    })() as unknown as typeof dataset;
    await rejection({ dataset: stream }).toThrow(/examples to be an array.*awaited/);
    await rejection({ dataset: [{ ...dataset[0]!, image: undefined as unknown as string }] }).toThrow(
      /example party has no image/,
    );
    await rejection({ dataset: [{ ...dataset[0]!, id: 7 as unknown as string }] }).toThrow(
      /example number 0: expected an id that is text, got 7/,
    );
  });

  it("a trainer that is still a promise, or none", async () => {
    const promise = Promise.resolve(cotTrainer());
    await rejection({ trainer: promise as unknown as Trainer }).toThrow(/trainer.*got a promise: await it/);
    const backend = scriptedBackend(["a"]);
    await rejection({ trainer: async () => backend as unknown as Trainer }).toThrow(/without backward\(\)/);
    const nothing = async () => undefined as unknown as Trainer;
    await rejection({ trainer: nothing }).toThrow(ConfigError);
  });

  it("options that it does not have, and says which were meant", async () => {
    const wrong: [object, string][] = [
      [{ rundir: "x" }, 'riseCot: unknown option "rundir"; did you mean "runDir"?'],
      [{ sampling: { temprature: 1 } }, 'unknown option "sampling.temprature"; did you mean "sampling.temperature"?'],
      [{ grpo: { ...grpoPresets.trl, los: {} } }, 'riseCot: unknown option "grpo.los"; did you mean "grpo.loss"?'],
      [
        { grpo: { advantages: { scal: "none" }, loss: {} } },
        'unknown option "grpo.advantages.scal"; did you mean "grpo.advantages.scale"?',
      ],
      [
        { grpo: { advantages: {}, loss: { clipepsilon: 1 } } },
        'unknown option "grpo.loss.clipepsilon"; did you mean "grpo.loss.clipEp',
      ],
    ];
    for (const [options, message] of wrong) await rejection(options).toThrow(message);
  });

  it.each<[object, string]>([
    [{ resume: "no" }, 'riseCot: expected resume to be true or false, got "no"'],
    [{ finalPass: 0 }, "riseCot: expected finalPass to be true or false, got 0"],
    [{ preflight: "false" }, 'riseCot: expected preflight to be true or false, got "false"'],
    [{ seed: null }, "riseCot: expected seed to be a whole number, got null"],
    [{ seed: "1" }, 'riseCot: expected seed to be a whole number, got "1"'],
    [{ groupSize: "4" }, 'riseCot: expected groupSize to be a whole number of at least 1, got "4"'],
    [
      { sampling: { temperature: "1" } },
      'riseCot: expected sampling.temperature to be a finite number above 0, got "1"',
    ],
    [{ sampling: null }, "riseCot: expected sampling to be an object, got null"],
    [{ reward: "paper" }, 'riseCot: expected reward to be a function, such as paperReward, got "paper"'],
    [{ reward: null }, "riseCot: expected reward to be a function, such as paperReward, got null"],
    [{ dataset: [undefined] }, "dataset: expected examples, { id, image, annotation }, but number 0 is undefined"],
    [{ dataset: undefined }, "riseCot: expected dataset to be an array of examples, got nothing"],
    [{ heldOut: null }, "heldOut: expected the examples to be an array, got null"],
    [
      { task: { labels: ["joy"] } },
      "riseCot: expected task to be a task, such as classification({ labels }), got something without cotPrompt()",
    ],
    [{ task: undefined }, "riseCot: expected task to be a task, such as classification({ labels }), got nothing"],
  ])("%j before a model is loaded", (options, message) =>
    rejection({ ...options, trainer: async () => expect.fail("a model was loaded") }).toThrow(message),
  );

  it.each<[string, unknown, string]>([
    ["steps", 9, "9"],
    ["learningRate", 1, "1"],
    ["grpo", grpoPresets.trl, '{"advantages":{'],
    ["credit", "both", '"both"'],
    ["finalPass", false, "false"],
    ["microBatch", 2, "2"],
    ["heldOut", [{ ...dataset[0]!, id: "other" }], '[{"id":"other"'],
  ])("%s beside a backend, on which it has no effect", (name, value, shown) =>
    expect(
      riseCot({ task: moods, dataset, backend: async () => expect.fail("a model was loaded"), [name]: value }),
    ).rejects.toThrow(`riseCot: expected no ${name} beside a backend, which learns nothing, got ${shown}`),
  );

  it.each<[object, string]>([
    [{ resume: true }, "riseCot: expected no resume without a runDir, got true; leave it out"],
    [{ keepCheckpoints: 2 }, "riseCot: expected no keepCheckpoints without a runDir, got 2"],
    [{ onFailure: "throw", failureLimit: 2 }, 'riseCot: expected no failureLimit beside onFailure: "throw", got 2'],
  ])("%j, of which something has no effect", (options, message) => rejection(options).toThrow(message));

  it("no options at all", async () => {
    await expect(riseCot(undefined as never)).rejects.toThrow("riseCot: expected its options to be an object");
    await expect(withDefaultTrainer(undefined as never)).rejects.toThrow(/^riseCot: expected task to be a task/);
  });

  it("a task of one's own whose prompts are no prompts", async () => {
    for (const cotPrompt of [() => "Why?", async () => moods.cotPrompt(dataset[0]!), () => [{ content: "Why?" }]])
      await rejection({ task: { ...moods, cotPrompt: cotPrompt as never } }).toThrow(
        /^expected a prompt: \[\{ role: .* got /,
      );
  });

  it("what a reward function of one's own gives that is no judgement, with its name and the example", async () => {
    for (const [given, shown] of [
      [0.5, "0.5"],
      [undefined, "undefined"],
      [{ prediction: null, reward: { reward: Number.NaN, similarity: 0, leaks: [], format: { ok: true } } }, "NaN"],
    ] as const) {
      const mine = () => given as unknown as Judgement<LabelDistribution>;
      const message = new RegExp(`reward "mine": expected \\{ prediction.*got .*${shown}.* for example`, "s");
      await rejection({ reward: mine, preflight: false }).toThrow(message);
    }
  });

  it("a trainer that another run is using, before anything is written", () =>
    withFolders(1, async (runDir) => {
      const trainer = cotTrainer();
      const first = run({ trainer, steps: 2 });
      const second = run({ trainer, steps: 2, runDir: runDir! });
      const [one, other] = await Promise.allSettled([first, second]);
      expect(one.status).toBe("fulfilled");
      expect(other).toMatchObject({ reason: expect.any(ConfigError) });
      expect(String((other as PromiseRejectedResult).reason)).toMatch(/expected a trainer that no other run uses/);
      expect(await contents(runDir!)).toEqual({});
      expect((await run({ trainer, steps: 2, runDir: runDir! })).dataset.length).toBe(3);
    }));

  it("to learn from a sampler without log-probs", () =>
    rejection({
      trainer: { ...cotTrainer(), sampler: () => scriptedBackend([smiling, "{'joy': 1.00, 'sadness': 0.00}"]) },
    }).toThrow(BackendError));
});

async function logProbs(trainer: Trainer) {
  const sequences = dataset.flatMap((example) =>
    [moods.cotPrompt(example), moods.reconstructionPrompt(example, smiling)].map((prompt) => ({
      prompt,
      completion: trainer.encode(smiling),
    })),
  );
  return (await trainer.forwardBackward(sequences, (rows) => ({ loss: 0, gradient: [...rows] }))).logProbs;
}
