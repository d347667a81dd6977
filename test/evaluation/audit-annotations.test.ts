import { describe, expect, it } from "vitest";
import { auditAnnotations } from "../../src/evaluation/audit-annotations";
import { paperReward } from "../../src/reward/paper";
import type { Rollout } from "../../src/rollouts";
import { classification } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import type { Box, Example, LabelDistribution } from "../../src/types";

const task = classification({ labels: ["anger", "joy"] });
const cot = "Two children laugh in the sun.";

function group(
  exampleId: string,
  truth: LabelDistribution,
  reconstructions: readonly string[],
): Rollout<LabelDistribution>[] {
  return reconstructions.map((reconstruction, index) => ({
    exampleId,
    index,
    cot: { text: cot, finishReason: "stop" },
    reconstruction: { text: reconstruction, finishReason: "stop" },
    ...paperReward(task, { truth, cot, reconstruction }),
  }));
}

const joy = { anger: 0, joy: 1 };
const anger = { anger: 1, joy: 0 };
const saysJoy = "{'anger': 0.05, 'joy': 0.95}";
const saysAnger = "{'anger': 0.95, 'joy': 0.05}";

describe("auditAnnotations", () => {
  const rollouts = [
    ...group("fine", joy, [saysJoy, saysJoy, saysJoy, saysJoy]),
    ...group("hard", joy, [saysJoy, saysAnger, saysJoy, saysAnger]),
    ...group("wrong", anger, [saysJoy, saysJoy, saysJoy, saysJoy]),
    ...group("silent", anger, ["joy", "joy", "", "{"]),
  ];
  const audit = auditAnnotations(rollouts, task);
  const of = (id: string) => audit.find(({ exampleId }) => exampleId === id)!;

  it("puts the annotation that all reconstructions contradict first, with what they say instead", () => {
    expect(audit.map(({ exampleId }) => exampleId)[0]).toBe("wrong");
    expect(of("wrong").agreement).toBe(1);
    expect(of("wrong").suspicion).toBeGreaterThan(0.8);
    expect(of("wrong").consensus).toEqual({ anger: 0.05, joy: 0.95 });
  });

  it("blames the image, not the annotation, when reconstructions disagree with each other", () => {
    expect(of("hard").agreement).toBeLessThan(0.5);
    expect(of("hard").suspicion).toBeLessThan(of("wrong").suspicion / 2);
  });

  it("does not suspect an annotation that is reconstructed", () => {
    expect(of("fine").suspicion).toBeLessThan(0.1);
  });

  it("hears no agreement in answers that do not parse", () => {
    expect(of("silent")).toMatchObject({ agreement: 0, suspicion: 0, consensus: null, rollouts: 4 });
  });

  it("takes an answer that does not parse for one that agrees with no other: (½ + ½ + 0)/3", () => {
    const [one] = auditAnnotations(group("e", joy, [saysJoy, "joy", saysJoy]), task);
    expect(one!.agreement).toBeCloseTo(1 / 3, 12);
    expect(one!.consensus).toEqual({ anger: 0.05, joy: 0.95 });
  });

  it("does not depend on how the examples are interleaved", () => {
    const shuffled = [...rollouts].sort((a, b) => a.index - b.index);
    expect(auditAnnotations(shuffled, task)).toEqual(audit);
  });

  it("takes for consensus the reconstruction that is closest to the others", () => {
    const [one] = auditAnnotations(group("e", anger, [saysAnger, saysJoy, saysJoy]), task);
    expect(one!.consensus).toEqual({ anger: 0.05, joy: 0.95 });
  });

  it("leaves out groups of one, which can agree with nobody", () => {
    expect(auditAnnotations(group("e", anger, [saysJoy]), task)).toEqual([]);
  });

  describe("with the dataset", () => {
    const mixed = { anger: 0.5, joy: 0.5 };
    const saysMostlyJoy = "{'anger': 0.2, 'joy': 0.8}";
    const twelve = (kind: string) => Array.from({ length: 12 }, (_, i) => `${kind}-${i}`);
    const easy = twelve("easy").map((id) => ({ id, annotation: joy, says: saysJoy }));
    const hard = twelve("hard").map((id) => ({ id, annotation: mixed, says: saysJoy }));
    const wrong = { id: "wrong", annotation: joy, says: saysMostlyJoy };
    const cases = [...hard, ...easy, wrong];
    const judged = cases.flatMap(({ id, annotation, says }) => group(id, annotation, [says, says, says]));
    const dataset = cases.map(({ id, annotation }) => ({ id, image: "x.png", annotation }));

    it("suspects the annotation that earns less than similar ones, not those that are hard to predict", () => {
      expect(auditAnnotations(judged, task)[0]!.exampleId).toMatch(/^hard/);
      const [first, ...others] = auditAnnotations(judged, task, { dataset });
      expect(first).toMatchObject({ exampleId: "wrong", rollouts: 3 });
      expect(first!.expected).toBeCloseTo(0.95, 1);
      expect(first!.suspicion).toBeCloseTo(first!.agreement * (first!.expected - first!.similarity), 12);
      for (const { suspicion } of others) expect(suspicion).toBeLessThan(first!.suspicion / 2);
    });

    it("holds annotations that no other resembles to what all earn", () => {
      const boxes = detection({ target: "cat" });
      const placed: Example<readonly Box[]>[] = Array.from({ length: 12 }, (_, i) => ({
        ...{ id: `${i}`, image: "x.png" },
        annotation: [{ space: "thousand", x: 80 * i, y: 0, width: 40, height: 40 }],
      }));
      const earned = (i: number) => (i < 10 ? 0.3 : i === 11 ? 0.1 : 0.9);
      const rollouts = placed.flatMap(({ id, annotation }, i) =>
        [0, 1].map(() => ({ exampleId: id, prediction: annotation, reward: { similarity: earned(i) } })),
      );
      const audit = auditAnnotations(rollouts, boxes, { dataset: placed });
      expect(audit[0]).toMatchObject({ exampleId: "11", expected: 0.3 });
      expect(new Set(audit.map(({ expected }) => expected))).toEqual(new Set([0.3]));
    });

    it("holds an example without a neighbour to a similarity of 1", () => {
      const [one] = auditAnnotations(group("alone", anger, [saysJoy, saysJoy]), task, {
        dataset: [{ id: "alone", image: "x.png", annotation: anger }],
      });
      expect(one).toMatchObject({ expected: 1 });
    });

    it("compares each annotation of a large dataset with some of the others", () => {
      const many = Array.from({ length: 600 }, (_, i) => ({
        id: `${i}`,
        image: "x.png",
        annotation: i % 2 ? joy : anger,
      }));
      const rollouts = many.flatMap(({ id, annotation }) =>
        [0, 1].map(() => ({ exampleId: id, prediction: annotation, reward: { similarity: id === "599" ? 0.1 : 0.9 } })),
      );
      const audit = auditAnnotations(rollouts, task, { dataset: many });
      expect(audit[0]).toMatchObject({ exampleId: "599", expected: 0.9 });
      expect(audit[1]!.suspicion).toBe(0);
    });

    it("names a rollout whose example is missing", () => {
      expect(() => auditAnnotations(judged, task, { dataset: dataset.slice(0, 5) })).toThrow(
        'auditAnnotations: expected the dataset to hold the example of each rollout, got none with the id "hard-5"',
      );
    });

    it("refuses an option of another name", () => {
      expect(() => auditAnnotations(judged, task, { data: dataset } as never)).toThrow(/unknown option "data"/);
    });
  });
});
