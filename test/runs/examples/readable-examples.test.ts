import { describe, expect, it } from "vitest";
import type { Omission } from "../../../src/dataset";
import { DataError } from "../../../src/errors";
import type { RunEvent } from "../../../src/events";
import { readableExamples } from "../../../src/runs/examples/readable-examples";
import type { Trainer } from "../../../src/trainer";
import type { ImageSource } from "../../../src/types";
import {
  answerRun,
  answerTrainer,
  collect,
  contents,
  cotRun,
  cotTrainer,
  dataset,
  withFolders,
} from "../../rise/world";

/** A trainer whose sampler cannot read some files. */
function reading(trainer: Trainer, unreadable: readonly string[], asked: ImageSource[] = []): Trainer {
  const sampler = {
    ...trainer.sampler(),
    checkImage: async (image: ImageSource) => {
      asked.push(image);
      if (unreadable.includes(image as string)) throw new DataError(`${image}: a JPEG image that is cut short`);
    },
  };
  return { ...trainer, sampler: () => sampler };
}

describe("readableExamples", () => {
  it("reads no further image after an error that is no image's, and waits for those under way", async () => {
    let asked = 0;
    let underWay = 0;
    const checkImage = async () => {
      asked++;
      underWay++;
      await Promise.resolve();
      underWay--;
      throw new Error("no memory");
    };
    const backend = { ...answerTrainer().sampler(), checkImage };
    const examples = Array.from({ length: 100 }, (_, i) => ({ id: `${i}`, image: `${i}.png`, annotation: null }));
    const { signal } = new AbortController();
    const reading = readableExamples({ dataset: examples, heldOut: [] }, backend, signal).next();
    await expect(reading).rejects.toThrow("no memory");
    expect([asked, underWay]).toEqual([8, 0]);
  });
});

type Start = (options: object, trainer: Trainer) => AsyncIterable<RunEvent<{ readonly exampleId: string }, unknown>>;
const runs: readonly (readonly [string, Start, () => Trainer])[] = [
  ["riseCot", (options, trainer) => cotRun({ ...options, trainer }), cotTrainer],
  ["riseR1", (options, trainer) => answerRun({ ...options, trainer }), answerTrainer],
];

describe.each(runs)("%s", (_, run, trainer) => {
  it("names every example whose image cannot be read, before it writes anything", () =>
    withFolders(1, async (folder) => {
      const started = collect(run({ runDir: folder! }, reading(trainer(), ["party.png", "funeral.png"])));
      await expect(started).rejects.toThrow(DataError);
      await expect(started).rejects.toThrow(
        "expected images that can be read, but the image cannot be read in 2 of 3 examples; mend them, or pass onOmission to leave them out:\n" +
          "  example party: party.png: a JPEG image that is cut short\n  example funeral: funeral.png: a JPEG image that is cut short",
      );
      expect(await contents(folder!)).toEqual({});
    }));

  it("lists the examples that it leaves out in its directory, and resumes with the same choice", () =>
    withFolders(2, async (whole, folder) => {
      const damaged = () => reading(trainer(), ["picnic.png"]);
      const options = { onOmission: () => {}, resume: true };
      await collect(run({ ...options, runDir: whole! }, damaged()));
      for await (const event of run({ ...options, runDir: folder! }, damaged()))
        if (event.type === "step-end" && event.step === 3) break;
      await collect(run({ ...options, runDir: folder! }, damaged()));
      const files = await contents(folder!);
      expect(files["omitted.jsonl"]).toBe(
        '{"where":"example picnic","reason":"picnic.png: a JPEG image that is cut short"}\n',
      );
      expect(files).toEqual(await contents(whole!));
    }));

  it("says how many images it has read so far", async () => {
    const said: string[] = [];
    for await (const event of run({}, reading(trainer(), [])))
      if (event.type === "progress" && event.work === "images") said.push(`${event.done}/${event.total}`);
    expect(said[0]).toBe("0/3");
  });

  it("leaves out examples whose image cannot be read when onOmission is there", async () => {
    const omitted: Omission[] = [];
    const onOmission = (omission: Omission) => omitted.push(omission);
    const events = await collect(run({ onOmission }, reading(trainer(), ["picnic.png"])));
    expect(omitted).toEqual([{ where: "example picnic", reason: "picnic.png: a JPEG image that is cut short" }]);
    expect(events.find(({ type }) => type === "images-end")).toEqual({
      type: "images-end",
      images: 3,
      leftOut: omitted,
      seconds: expect.any(Number),
    });
    const seen = new Set(events.flatMap((event) => (event.type === "rollout-end" ? [event.rollout.exampleId] : [])));
    expect(seen).toEqual(new Set(["party", "funeral"]));
  });

  it("fails when no image can be read, whatever is left out", () =>
    expect(
      collect(
        run(
          { onOmission: () => {} },
          reading(
            trainer(),
            dataset.map(({ image }) => image as string),
          ),
        ),
      ),
    ).rejects.toThrow("3 of 3"));

  it("reads an image once that several examples have, and none without preflight", async () => {
    const asked: ImageSource[] = [];
    const twice = [...dataset, { ...dataset[0]!, id: "party again" }];
    await collect(run({ dataset: twice }, reading(trainer(), [], asked)));
    expect(asked).toEqual(["party.png", "picnic.png", "funeral.png"]);
    await collect(run({ preflight: false }, reading(trainer(), ["party.png"], asked)));
    expect(asked).toHaveLength(3);
  });

  it("counts held-out examples among them", () =>
    expect(
      collect(run({ heldOut: [{ ...dataset[0]!, id: "held", image: "held.png" }] }, reading(trainer(), ["held.png"]))),
    ).rejects.toThrow("in 1 of 4 examples"));

  it("does not take a fault of the program for one of an image", async () => {
    const sampler = { ...trainer().sampler(), checkImage: () => Promise.reject(new TypeError("no decoder")) };
    await expect(collect(run({}, { ...trainer(), sampler: () => sampler }))).rejects.toThrow(TypeError);
  });
});
