import type { VlmBackend } from "../backend";
import { DataError } from "../errors";
import type { Failures } from "../runs/examples/failures";
import { generateEach, type Outcome } from "../runs/generate";
import type { Prompt } from "../types";
import { type Answer, answerOf } from "./records";

export interface Asking<T> {
  readonly backend: VlmBackend;
  readonly promptOf: (item: T) => Prompt;
  readonly failures: Failures;
  /** Whether an item was answered before, so that failures are the items' own and not the backend's. */
  readonly hasAnswers: boolean;
  readonly maxTokens: number;
  readonly seed: number;
  readonly batchSize: number;
  readonly concurrency: number;
  /** Begins no more calls, waits for those under way, and rejects with the signal's reason. */
  readonly stop?: AbortSignal | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answered<T> {
  readonly item: T;
  readonly answer: Answer;
}

/**
 * Asks about every item, greedily, in batches.
 *
 * @param items are read as they are needed, so that a stream need not fit into memory
 * @param keep receives answers and failures as they come, and is awaited
 * @throws what `keep`, `items` and `failures` throw, and errors that concern every item; it begins no more calls then,
 * and waits for those under way
 */
export async function answerEach<T extends { readonly id: string }>(
  items: Iterable<T> | AsyncIterable<T>,
  { backend, promptOf, failures, hasAnswers, ...options }: Asking<T>,
  keep: (answered: readonly Answered<T>[]) => Promise<void>,
): Promise<void> {
  const { maxTokens, seed, batchSize, concurrency, stop, signal } = options;
  // Failures in a row may be the server's: they count as the items' once an answer follows.
  let doubtful: Answered<T>[] = [];
  let isAnswered = hasAnswers;
  const take = async (item: T, outcome: Outcome) => {
    const answered = { item, answer: answerOf(outcome) };
    if (outcome instanceof Error) {
      const isItsOwn = outcome instanceof DataError;
      if (!isItsOwn) doubtful.push(answered);
      failures.failed(item.id, outcome);
      return isItsOwn ? keep([answered]) : undefined;
    }
    failures.succeeded();
    isAnswered = true;
    const certain = [...doubtful, answered];
    doubtful = [];
    await keep(certain);
  };
  await allOf(batchesOf(items, batchSize, stop), concurrency, async (batch) => {
    signal?.throwIfAborted();
    const sampling = { maxTokens, temperature: 0, seed, ...(signal && { signal }) };
    await generateEach(backend, batch.map(promptOf), sampling, (i, outcome) => take(batch[i]!, outcome));
  });
  if (doubtful.length > 0 && !isAnswered) failures.checkAny();
  if (doubtful.length > 0) await keep(doubtful);
}

async function* batchesOf<T>(
  items: Iterable<T> | AsyncIterable<T>,
  size: number,
  stop: AbortSignal | undefined,
): AsyncGenerator<readonly T[], void, void> {
  let batch: T[] = [];
  for await (const item of items) {
    stop?.throwIfAborted();
    batch.push(item);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Works on all items, `atOnce` at a time. After a failure it begins no more, and waits for the work under way. */
async function allOf<T>(
  items: AsyncGenerator<T, void, void>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const worker = async () => {
    // Workers share the items: leaving this loop ends it for all of them.
    for await (const item of items) await work(item);
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
