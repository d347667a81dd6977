import { describe, expect, it } from "vitest";
import { auditAnnotations } from "../../src/evaluation/audit-annotations";
import { paperReward } from "../../src/reward/paper";
import type { Rollout } from "../../src/rollouts";
import { classification } from "../../src/tasks/classification";
import type { LabelDistribution } from "../../src/types";

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
});
