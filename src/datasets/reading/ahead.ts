/** Images whose headers are read at a time. More do not speed it up. */
export const readAhead = 8;

/** Does work for each item, in order, and runs up to `count` items ahead of the reader. */
export async function* ahead<T, R>(
  items: Iterable<T>,
  count: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  for (const item of items) {
    const result = work(item);
    // The reader gets a failure when it reaches that item; until then, Node must not report it as unhandled.
    result.catch(() => {});
    begun.push(result);
    if (begun.length >= count) yield await begun.shift()!;
  }
  for (const result of begun) yield await result;
}
