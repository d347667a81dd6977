import { expect, it } from "vitest";
import { classification } from "../../src/tasks/classification";
import { detection } from "../../src/tasks/detection";
import { segmentation } from "../../src/tasks/segmentation";

const labels = ["joy", "sadness"];

it.each<[string, () => unknown, string]>([
  [
    "an option",
    () => classification({ labels, qestion: "?" } as object as never),
    '"qestion"; did you mean "question"?',
  ],
  ["a prompt", () => classification({ labels, prompts: { cots: "" } as object }), 'did you mean "prompts.cot"?'],
  ["an option", () => detection({ spaec: "pixel" } as object), 'detection: unknown option "spaec"'],
  ["a prompt", () => detection({ prompts: { anwser: "" } as object }), 'did you mean "prompts.answer"?'],
  ["an option", () => segmentation({ targt: "leaf" } as object), '"targt"; did you mean "target"?'],
])("a task refuses %s that it does not have", (_, make, message) => expect(make).toThrow(message));
