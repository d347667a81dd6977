import { strict as assert } from "node:assert";
import { access } from "node:fs/promises";
import type { Dataset } from "../../dataset";
import type { Task } from "../../task";
import { describeLaws, type Laws, type Skipping, type TestRunner } from "../laws/laws";

/** A data set's facts that its laws need. */
export interface DatasetContract<A> extends Skipping {
  /** The task that its examples are for. */
  readonly task: Task<A>;
}

interface DatasetSubject<A> {
  readonly load: () => PromiseLike<Dataset<A>>;
  readonly task: Task<A>;
}

/**
 * Holds a data set to what runs expect: unique ids, annotations that its task accepts, prompts for each example,
 * existing images, and the same examples in the same order each time.
 * @param load reads the data set; each law calls it
 * @throws ConfigError when `skip` names a law that does not exist
 * @example
 * import { describe, it } from "vitest";
 * import { describeDataset } from "rise-ts/testing";
 * describeDataset({ describe, it }, "mugs", async () => readMugs("mugs.json"), { task: detection({ target: "mug" }) });
 */
export function describeDataset<A>(
  runner: TestRunner,
  name: string,
  load: () => PromiseLike<Dataset<A>>,
  { task, skip = {} }: DatasetContract<A>,
): void {
  const laws: Laws<DatasetSubject<A>> = datasetLaws;
  describeLaws(runner, `data set ${name}`, laws, { load, task }, skip);
}

const datasetLaws: Laws<DatasetSubject<unknown>> = {
  "has at least one example": async ({ load }) => assert.notEqual((await load()).length, 0),

  "gives each example an id of its own": async ({ load }) => {
    const ids = (await load()).map(({ id }) => id);
    const twice = ids.find((id, i) => ids.indexOf(id) !== i);
    assert.equal(twice, undefined, `expected unique ids, got "${twice}" twice`);
    for (const id of ids) assert.ok(typeof id === "string" && id !== "", `expected a text for an id, got ${id}`);
  },

  "has annotations that its task accepts": async ({ load, task }) => {
    for (const { id, annotation } of await load()) task.validate(annotation, `the annotation of ${id}`);
  },

  "has what the prompts of its task need": async ({ load, task }) => {
    for (const example of await load())
      for (const prompt of [
        task.cotPrompt(example),
        task.reconstructionPrompt(example, ""),
        task.answerPrompt(example),
      ])
        assert.notEqual(prompt.length, 0);
  },

  "names images that exist": async ({ load }) => {
    for (const { image } of await load()) if (typeof image === "string") await access(image);
  },

  "gives the same examples in the same order each time": async ({ load }) =>
    assert.deepEqual(await load(), await load()),
};
