import { describe, expect, it } from "vitest";
import { collect, contents, cotRun, cotTrainer, dataset, withFolders } from "./world";

describe("a run that is told to stop", () => {
  const [party, picnic, funeral] = dataset;

  it("finishes its step, saves it, and rejects with the signal's reason; going on changes nothing but what is saved", () =>
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
