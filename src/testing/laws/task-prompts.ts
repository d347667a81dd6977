import { strict as assert } from "node:assert";
import { createRng } from "../../rng";
import type { Example, Prompt } from "../../types";
import { forAll, type Laws } from "./laws";
import type { TaskSubject } from "./task-subject";

/** Laws about what a task asks. */
export const promptLaws: Laws<TaskSubject<unknown>> = {
  "puts the image first and the text second in one user message": ({ task, annotation }) =>
    forAll(10, annotation, (a) => {
      const prompts = [
        task.cotPrompt(example(a)),
        task.reconstructionPrompt(example(a), "A quiet street."),
        task.answerPrompt(example(a)),
      ];
      for (const prompt of prompts) {
        const form = prompt.map(({ role, content }) => ({ role, content: content.map(({ type }) => type) }));
        assert.deepEqual(form, [{ role: "user", content: ["image", "text"] }]);
      }
    }),

  "shows the annotation when asking for a cot, and never when asking for the annotation": (subject) => {
    const { task } = subject;
    const asked = example(longestAnnotation(subject));
    const written = task.format(asked.annotation);
    const expectText = (prompt: Prompt, part: string, isThere: boolean) =>
      assert.equal(promptText(prompt).includes(part), isThere, `${JSON.stringify(part)} in ${promptText(prompt)}`);
    expectText(task.cotPrompt(asked), written, true);
    expectText(task.reconstructionPrompt(asked, "A quiet street."), written, false);
    expectText(task.answerPrompt(asked), written, false);
    expectText(task.reconstructionPrompt(asked, "A quiet street."), "A quiet street.", true);
  },

  "does not read its own instructions as an answer": (subject) => {
    const { task } = subject;
    const asked = example(longestAnnotation(subject));
    for (const prompt of [task.answerPrompt(asked), task.reconstructionPrompt(asked, "A quiet street.")])
      assert.equal(task.parse(promptText(prompt)), null);
  },
};

const example = <A>(annotation: A): Example<A> => ({
  id: "e1",
  image: "image.png",
  annotation,
  subject: "the red mug",
});

/** The annotation with the most words of twenty: a short one, such as `[]`, may be in a prompt by chance. */
function longestAnnotation<A>({ task, annotation }: TaskSubject<A>): A {
  const drawn = Array.from({ length: 20 }, (_, seed) => annotation(createRng(seed, "contract")));
  return drawn.reduce((a, b) => (task.format(b).length > task.format(a).length ? b : a));
}

/** All text of a prompt, a line for each part. */
export function promptText(prompt: Prompt): string {
  return prompt
    .flatMap(({ content }) => content.flatMap((part) => (part.type === "text" ? [part.text] : [])))
    .join("\n");
}
