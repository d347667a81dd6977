import { afterEach, describe, expect, it, vi } from "vitest";
import { BackendError, DataError, TrainingError } from "../../src/errors";
import type { Trainer } from "../../src/trainer";
import { answerRun, answerTrainer, collect, contents, cotRun, cotTrainer, dataset, withFolders } from "./world";

describe("a run that is told to stop", () => {
  const [party, picnic, funeral] = dataset;

  it("finishes its step, saves it, and rejects with the signal's reason; resuming changes only what is saved", () =>
    withFolders(2, async (whole, folder) => {
      const run = (runDir: string | undefined, options: { resume?: boolean; stop?: AbortSignal } = {}) =>
        cotRun({
          ...{ trainer: cotTrainer(), runDir: runDir!, dataset: [party!, funeral!], heldOut: [picnic!] },
          ...options,
        });
      const result = await run(whole);
      const stop = new AbortController();
      const seen: string[] = [];
      const watched = async () => {
        for await (const event of run(folder, { stop: stop.signal })) {
          if (event.type === "rollout-end" && event.step === 3) stop.abort(new Error("enough"));
          if (event.type === "step-end" || event.type === "checkpoint-end") seen.push(`${event.type} ${event.step}`);
        }
      };
      await expect(watched()).rejects.toThrow("enough");
      expect(seen).toEqual(["step-end 1", "step-end 2", "checkpoint-end 2", "step-end 3", "checkpoint-end 3"]);

      const resumed = await run(folder, { resume: true });
      expect(resumed.metrics).toEqual(result.metrics);
      expect(resumed.best?.reward).toBe(result.best?.reward);
      const [a, b] = [await contents(whole!), await contents(folder!)];
      for (const file of ["rollouts.jsonl", "cots.jsonl", "checkpoints/step-6/policy.json"])
        expect(b[file]).toBe(a[file]);
    }));

  it.each([[[3]], [[7]], [[1, 3, 5, 7]]])(
    "in steps %j and gone on with, leaves the same files as one that was not",
    (steps) =>
      withFolders(2, async (whole, folder) => {
        // Checkpoints come every second step, and the two that are kept are regular ones.
        const options = { keepCheckpoints: 2, resume: true };
        await cotRun({ ...options, trainer: cotTrainer(), runDir: whole! });
        for (const step of steps) {
          const stop = new AbortController();
          const watched = async () => {
            for await (const event of cotRun({ ...options, trainer: cotTrainer(), runDir: folder!, stop: stop.signal }))
              if (event.type === "rollout-end" && event.step === step) stop.abort(new Error("enough"));
          };
          await expect(watched()).rejects.toThrow("enough");
          expect(Object.keys(await contents(folder!))).toContain(`checkpoints/step-${step}/state.json`);
        }
        await cotRun({ ...options, trainer: cotTrainer(), runDir: folder! });
        expect(await contents(folder!)).toEqual(await contents(whole!));
      }),
  );

  it("does not begin when it was told before", () =>
    expect(cotRun({ trainer: cotTrainer(), stop: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough"));

  it("ends well when it is told so in its last step", async () => {
    const stop = new AbortController();
    const run = cotRun({ trainer: cotTrainer(), stop: stop.signal });
    const watched = async () => {
      for await (const event of run)
        if (event.type === "step-end" && event.step === event.totalSteps) stop.abort(new Error("enough"));
    };
    await watched();
    expect((await run).dataset).toHaveLength(3);
    expect((await collect(cotRun({ trainer: cotTrainer() }))).at(-1)?.type).toBe("run-end");
  });
});

describe("a run that goes without a checkpoint for ten minutes", () => {
  afterEach(() => vi.restoreAllMocks());

  it("writes one that a killed run resumes from, and that no file of a finished run shows", () =>
    withFolders(2, async (whole, folder) => {
      const settings = { checkpointEvery: 50, preflight: false };
      await cotRun({ ...settings, trainer: cotTrainer(), runDir: whole! });
      let now = 0;
      // Every reading is a minute later than the one before.
      vi.spyOn(performance, "now").mockImplementation(() => (now += 60_000));
      const saved: number[] = [];
      for await (const event of cotRun({ ...settings, trainer: cotTrainer(), runDir: folder! }))
        if (event.type === "checkpoint-end") saved.push(event.step);
      expect(saved.some((step) => step < 6)).toBe(true);
      expect(saved.slice(-2)).toEqual([6, 8]);
      expect(await contents(folder!)).toEqual(await contents(whole!));
    }));
});

describe("a run that fails between two checkpoints", () => {
  /** A trainer that rejects in its step `step`, before or after its weights have moved. */
  const failing = (trainer: Trainer, step: number, error: unknown, when: "before" | "after" = "before"): Trainer => {
    let steps = 0;
    return {
      ...trainer,
      async optimStep(params) {
        const isIt = ++steps === step;
        if (isIt && when === "before") throw error;
        const result = await trainer.optimStep(params);
        return isIt && when === "after" ? { gradNorm: Number.NaN } : result;
      },
    };
  };
  const settings = { groupSize: 16, learningRate: 0.1, checkpointEvery: 50 };
  const events = (run: AsyncIterable<{ readonly type: string; readonly step?: number }>) => {
    const seen: string[] = [];
    const watched = (async () => {
      for await (const { type, step } of run) if (/checkpoint|step-end/.test(type)) seen.push(`${type} ${step}`);
    })();
    return { seen, watched };
  };

  it.each([
    ["a picture that cannot be read", new DataError("b.png: expected a picture")],
    ["a backend that fails", new BackendError("gone")],
    ["an error of somebody else's", new TypeError("x is not a function")],
  ])("saves the last finished step, says so, and loses nothing when it is resumed, after %s", (_, error) =>
    withFolders(2, async (whole, folder) => {
      const { message } = error;
      await cotRun({ ...settings, trainer: cotTrainer(), runDir: whole! });
      const { seen, watched } = events(
        cotRun({ ...settings, trainer: failing(cotTrainer(), 4, error), runDir: folder! }),
      );
      // The same error, of its own class.
      await expect(watched).rejects.toBe(error);
      const saved = `${message}. The steps up to 3 are saved in ${folder}/checkpoints/step-3; resume them with resume: true`;
      expect(error.message).toBe(saved);
      expect(error.stack).toContain(saved);
      expect(seen).toEqual(["step-end 1", "step-end 2", "step-end 3", "checkpoint-end 3"]);

      const resumed = events(cotRun({ ...settings, trainer: cotTrainer(), runDir: folder!, resume: true }));
      await resumed.watched;
      expect(resumed.seen[0]).toBe("step-end 4");
      expect(await contents(folder!)).toEqual(await contents(whole!));
    }),
  );

  it.each([[{ checkpointEvery: 3 }], [{ checkpointEvery: 1, keepCheckpoints: 1 }]])(
    "looks at held-out examples first when it is resumed, if it was they that failed, with %o",
    (options) =>
      withFolders(2, async (whole, folder) => {
        const heldOut = [{ ...dataset[0]!, id: "other", image: "other.png" }];
        const run = (runDir: string, trainer: Trainer) =>
          cotRun({ ...settings, ...options, trainer, runDir, heldOut, resume: true });
        const failing = cotTrainer();
        const sampler: ReturnType<Trainer["sampler"]> = {
          ...failing.sampler(),
          generate: (prompts, options) =>
            JSON.stringify(prompts).includes("other.png")
              ? Promise.reject(new BackendError("out of memory", { scope: "backend" }))
              : failing.sampler().generate(prompts, options),
        };
        await run(whole!, cotTrainer());
        const step = options.checkpointEvery;
        for (const _ of [1, 2])
          await expect(run(folder!, { ...failing, sampler: () => sampler })).rejects.toThrow(/^out of memory/);
        const stopped = await contents(folder!);
        expect(Object.keys(stopped)).toContain(`checkpoints/step-${step}/policy.json`);
        expect(stopped["metrics.jsonl"]?.split("\n")).toHaveLength(step);
        const { seen, watched } = events(run(folder!, cotTrainer()));
        await watched;
        expect(seen.slice(0, 2)).toEqual([`step-end ${step}`, `checkpoint-end ${step}`]);
        expect(await contents(folder!)).toEqual(await contents(whole!));
      }),
  );

  it("saves what it remembers as it was before the step, where nothing is trained", () =>
    withFolders(2, async (whole, folder) => {
      const options = {
        ...settings,
        learningRate: undefined as never,
        examplesPerStep: 1,
        trainer: undefined as never,
      };
      const backend = (last: number) => {
        let calls = 0;
        const sampler = cotTrainer().sampler();
        return {
          ...sampler,
          generate: (...call: Parameters<typeof sampler.generate>) =>
            ++calls > last ? Promise.reject(new BackendError("gone", { scope: "backend" })) : sampler.generate(...call),
        };
      };
      await cotRun({ ...options, backend: backend(99), runDir: whole!, preflight: false });
      // Steps of 3 calls; the third fails after rollouts of its example are known.
      const failed = cotRun({ ...options, backend: backend(8), runDir: folder!, preflight: false });
      await expect(failed).rejects.toThrow(
        /^gone\. The steps up to 2 are saved in .*step-2; resume them with resume: true/,
      );
      await cotRun({ ...options, backend: backend(99), runDir: folder!, preflight: false, resume: true });
      expect(await contents(folder!)).toEqual(await contents(whole!));
    }));

  it("names the saved weights in its advice when it was a gradient that was not finite, and they had not moved", () =>
    withFolders(1, async (folder) => {
      const error = new TrainingError("optimStep: expected a finite gradient");
      const failed = cotRun({ ...settings, trainer: failing(cotTrainer(), 4, error), runDir: folder! });
      await expect(failed).rejects.toThrow(/^train, step 4: .*finite gradient\. The weights in .*step-3 are older/);
    }));

  it("saves nothing when its weights have moved since the last finished step", () =>
    withFolders(1, async (folder) => {
      const trainer = failing(cotTrainer(), 4, undefined, "after");
      await expect(cotRun({ ...settings, trainer, runDir: folder! })).rejects.toThrow(/Nothing was saved before/);
      expect(Object.keys(await contents(folder!)).filter((name) => name.startsWith("checkpoints"))).toEqual([]);
    }));

  it("says of its error that the steps could not be saved when they could not", () =>
    withFolders(1, async (folder) => {
      const save = () => Promise.reject(new Error("no room"));
      const trainer = { ...failing(answerTrainer(), 4, new BackendError("gone")), save };
      const failed = answerRun({ trainer, checkpointEvery: 50, runDir: folder! });
      await expect(failed).rejects.toThrow(BackendError);
      await expect(failed).rejects.toThrow("gone. The steps since the last checkpoint could not be saved: no room");
    }));
});
