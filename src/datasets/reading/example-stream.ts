import type { Dataset, ExampleStream, Omission } from "../../dataset";
import { DataError } from "../../errors";
import type { Example } from "../../types";

/** An example and the place it was read from, for messages. */
export interface Located<A> {
  readonly example: Example<A>;
  readonly where: string;
}

/** Makes a stream of the examples that `read` yields. Each iteration reads from the start; awaiting it reads once. */
export function exampleStream<A>(read: () => AsyncIterable<Located<A>>): ExampleStream<A> {
  let all: Promise<Dataset<A>> | undefined;
  return {
    // biome-ignore lint/suspicious/noThenProperty: being awaitable is the point
    then(onFulfilled, onRejected) {
      all ??= collect(read());
      return all.then(onFulfilled, onRejected);
    },
    async *[Symbol.asyncIterator]() {
      for await (const { example } of read()) yield example;
    },
  };
}

/** The default `onOmission`: throws, so that nothing is left out unnoticed. */
export function refuseOmission({ where, reason }: Omission): void {
  throw new DataError(`${where}: ${reason}; pass onOmission to leave it out`);
}

async function collect<A>(located: AsyncIterable<Located<A>>): Promise<Dataset<A>> {
  const places = new Map<string, string>();
  const examples: Example<A>[] = [];
  for await (const { example, where } of located) {
    const twin = places.get(example.id);
    if (twin) throw new DataError(`${where}: expected an id of its own, got "${example.id}" as in ${twin}`);
    places.set(example.id, where);
    examples.push(example);
  }
  return examples;
}
