import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { VlmBackend } from "../../src/backend";
import { BackendError, CheckpointError, ConfigError, DataError } from "../../src/errors";
import { auditCots } from "../../src/evaluation/audit-cots";
import { classification, oneHot } from "../../src/tasks/classification";
import { scriptedBackend } from "../../src/testing";
import { promptKey } from "../../src/testing/scripted-backend";
import type { Example, LabelDistribution } from "../../src/types";
import { contents, withFolders } from "../rise/world";

const labels = ["anger", "joy", "fear"];
const task = classification({ labels, prompts: { reconstruction: "Going by this: [{{cot}}]" } });
const examples: readonly Example<LabelDistribution>[] = labels.map((label) => ({
  id: label,
  image: `${label}.png`,
  annotation: oneHot(labels, label),
}));
const words: Readonly<Record<string, string>> = {
  anger: "Fists are clenched.",
  joy: "Somebody laughs out loud.",
  fear: "It is dark, and a door stands open.",
};
const cots = labels.map((label) => ({ exampleId: label, cot: words[label]! }));
const answer = (label: string | undefined) =>
  label === undefined ? task.format({ anger: 1 / 3, joy: 1 / 3, fear: 1 / 3 }) : task.format(oneHot(labels, label));

/** Answers by the words in brackets alone, and not knowing any of them, that all labels are alike. */
const readsTheCot = scriptedBackend((prompt) => {
  const [, cot] = /\[(.*)\]/.exec(promptKey(prompt).replace(/\[\w+\.png\]/, ""))!;
  return answer(labels.find((label) => words[label] === cot));
});
/** Answers by the picture's name alone. */
const readsTheImage = scriptedBackend((prompt) => answer(/\[(\w+)\.png\]/.exec(promptKey(prompt))![1]));

describe("auditCots", () => {
  it("finds that cots are worth everything to a model that goes by them alone", async () => {
    const audit = await auditCots({ task, dataset: examples, cots, backend: readsTheCot });
    const none = task.similarity(examples[0]!.annotation, { anger: 1 / 3, joy: 1 / 3, fear: 1 / 3 });
    expect(audit.similarity.own.mean).toBe(1);
    expect(audit.similarity.empty.mean).toBeCloseTo(none, 12);
    expect(audit.similarity.other.mean).toBeLessThan(none);
    expect(audit.cotGain.mean).toBeCloseTo(1 - none, 12);
    expect([audit.emptyAsGood.mean, audit.otherAsGood.mean]).toEqual([0, 0]);
    expect(audit.cots.map(({ exampleId, similarity }) => [exampleId, similarity.own])).toEqual(
      labels.map((label) => [label, 1]),
    );
  });

  it("finds that they are worth nothing to a model that goes by the image alone", async () => {
    const audit = await auditCots({ task, dataset: examples, cots, backend: readsTheImage });
    expect(audit.similarity).toEqual({
      own: { mean: 1, low: 1, high: 1, level: 0.95 },
      empty: { mean: 1, low: 1, high: 1, level: 0.95 },
      other: { mean: 1, low: 1, high: 1, level: 0.95 },
    });
    expect(audit.cotGain.mean).toBe(0);
    expect([audit.emptyAsGood.mean, audit.otherAsGood.mean]).toEqual([1, 1]);
  });

  it("never lends a cot to an example of its own, whatever the seed, and gives the same in any batches", async () => {
    const several = [...cots, { exampleId: "joy", cot: words.joy! }];
    const options = { task, dataset: examples, cots: several, backend: readsTheCot };
    for (let seed = 0; seed < 10; seed++) {
      const audit = await auditCots({ ...options, seed });
      expect(audit.cots.map(({ similarity }) => similarity.other < similarity.own)).toEqual([true, true, true, true]);
      expect(await auditCots({ ...options, seed, batchSize: 1 })).toEqual(audit);
    }
  });

  it("never lends to an example with the same annotation, to which the cot would be no stranger", async () => {
    const twice = examples.flatMap((example) => [example, { ...example, id: `${example.id} again` }]);
    const all = twice.map(({ id }) => ({ exampleId: id, cot: words[id.split(" ")[0]!]! }));
    for (let seed = 0; seed < 10; seed++) {
      const audit = await auditCots({ task, dataset: twice, cots: all, backend: readsTheCot, seed });
      expect(audit.otherAsGood.mean).toBe(0);
    }
    const ask = auditCots({ task, dataset: twice, cots: all.slice(0, 2), backend: readsTheCot });
    await expect(ask).rejects.toThrow(/two annotations or more, got only .*anger/);
  });

  it("is no surer for several cots of the same examples", async () => {
    const mixed = [...cots.slice(0, 2), { exampleId: "fear", cot: "Nothing to see." }];
    const options = { task, dataset: examples, backend: readsTheCot };
    const once = await auditCots({ ...options, cots: mixed });
    const fourTimes = await auditCots({ ...options, cots: mixed.flatMap((row) => [row, row, row, row]) });
    expect(once.cotGain.high - once.cotGain.low).toBeGreaterThan(0.1);
    expect(fourTimes.cotGain.mean).toBeCloseTo(once.cotGain.mean, 12);
    expect(fourTimes.cotGain.low).toBeCloseTo(once.cotGain.low, 12);
    expect(fourTimes.cotGain.high).toBeCloseTo(once.cotGain.high, 12);
  });

  it("counts what leaks, by kind, and words", async () => {
    const leaky = [
      { exampleId: "anger", cot: "Eighty percent of it is rage." },
      { exampleId: "joy", cot: "A joyful crowd, sixty percent of it children." },
      { exampleId: "fear", cot: "It is dark." },
    ];
    const {
      leakRates,
      words: length,
      cots: audits,
    } = await auditCots({
      ...{ task, dataset: examples, cots: leaky, backend: readsTheImage },
    });
    expect(leakRates).toEqual({ "class-name": 1 / 3, percent: 2 / 3 });
    expect(length).toEqual({ min: 3, median: 6, max: 8 });
    expect(audits[2]!.leaks).toEqual([]);
  });

  it("counts the words of a language that writes none apart", async () => {
    const written = [
      { exampleId: "fear", cot: "天空很暗。" },
      { exampleId: "joy", cot: "孩子们在笑。" },
    ];
    const { cots: audits } = await auditCots({
      ...{ task, dataset: examples, cots: written, backend: readsTheImage },
    });
    // The dictionaries of Node's versions differ by a word.
    for (const { words } of audits) expect([2, 3, 4]).toContain(words);
  });

  it("counts a reconstruction that does not parse as worth nothing", async () => {
    const silent = scriptedBackend(["no idea"]);
    const audit = await auditCots({ task, dataset: examples, cots, backend: silent });
    expect([audit.similarity.own.mean, audit.cotGain.mean, audit.emptyAsGood.mean]).toEqual([0, 0, 1]);
  });

  it("asks for each reconstruction once when cots share it", async () => {
    let asked = 0;
    const counted = {
      ...readsTheCot,
      generate: (...args: Parameters<VlmBackend["generate"]>) => {
        asked += args[0].length;
        return readsTheCot.generate(...args);
      },
    };
    const twice = [...cots, ...cots];
    const audit = await auditCots({ task, dataset: examples, cots: twice, backend: counted });
    expect(asked).toBe(3 + 3 + 3);
    expect(audit.cots.slice(3)).toEqual(audit.cots.slice(0, 3));
  });

  it("keeps every reconstruction that came, and ends with the same bytes when it is resumed, wherever it stopped", () =>
    withFolders(2, async (whole, folder) => {
      const options = { task, dataset: examples, cots, backend: readsTheCot, batchSize: 2 };
      const audit = await auditCots({ ...options, runDir: whole! });
      const files = await contents(whole!);
      expect(Object.keys(files)).toEqual(["audit.json", "config.json", "records.jsonl"]);
      expect(JSON.parse(files["audit.json"]!)).toEqual({ ...audit, cots: undefined });
      for (let stop = 0; stop < 5; stop++) {
        const runDir = join(folder!, String(stop));
        let calls = 0;
        const broken: VlmBackend = {
          ...readsTheCot,
          generate: async (...args) => {
            if (calls++ === stop) throw new BackendError("out of order", { scope: "backend" });
            return readsTheCot.generate(...args);
          },
        };
        await expect(auditCots({ ...options, backend: broken, runDir })).rejects.toThrow("out of order");
        let resumed = 0;
        const counted: VlmBackend = {
          ...readsTheCot,
          generate: (...args) => {
            resumed += args[0].length;
            return readsTheCot.generate(...args);
          },
        };
        expect(await auditCots({ ...options, backend: counted, runDir, resume: true })).toEqual(audit);
        expect(resumed).toBe(9 - 2 * stop);
        expect(await contents(runDir)).toEqual(files);
      }
    }));

  it("refuses to resume another audit", () =>
    withFolders(1, async (runDir) => {
      const options = { task, dataset: examples, cots, backend: readsTheCot, runDir: runDir! };
      await auditCots(options);
      const others = cots.map((row) => ({ ...row, cot: `${row.cot} It is.` }));
      await expect(auditCots({ ...options, cots: others, resume: true })).rejects.toThrow(CheckpointError);
      await expect(auditCots(options)).rejects.toThrow(CheckpointError);
    }));

  it("refuses cots of one example, or of none that there is, and to resume nothing", async () => {
    const ask = (some: typeof cots) => auditCots({ task, dataset: examples, cots: some, backend: readsTheCot });
    await expect(ask([])).rejects.toThrow(/got no cot/);
    const resumed = auditCots({ task, dataset: examples, cots, backend: readsTheCot, resume: true });
    await expect(resumed).rejects.toThrow("auditCots: expected no resume without a runDir, got true; leave it out");
    await expect(ask(cots.slice(0, 1))).rejects.toThrow(ConfigError);
    await expect(ask([...cots, { exampleId: "awe", cot: "Wow." }])).rejects.toThrow(DataError);
    await expect(ask([...cots, { exampleId: "awe", cot: "Wow." }])).rejects.toThrow(/id "awe"/);
  });

  it.each<[object, string]>([
    [{ batchsize: 4 }, 'auditCots: unknown option "batchsize"; did you mean "batchSize"?'],
    [{ seed: "1" }, 'auditCots: expected seed to be a whole number, got "1"'],
    [{ cots: [undefined] }, "cots: expected { exampleId, cot } with texts, but number 0 is undefined"],
    [{ backend: {} }, "got something without generate()"],
  ])("refuses %j", (options, message) =>
    expect(auditCots({ task, dataset: examples, cots, backend: readsTheCot, ...options })).rejects.toThrow(message),
  );
});
