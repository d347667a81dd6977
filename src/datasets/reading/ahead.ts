/** Pictures whose headers are read at a time: of more, none is read sooner. */
export const readAhead = 8;

/** Does work for each item, in the order of the items, up to `count` at a time ahead of whoever reads. */
export async function* ahead<T, R>(
  items: Iterable<T>,
  count: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const begun: Promise<R>[] = [];
  for (const item of items) {
    const result = work(item);
    // A failure is the reader's when it comes to that item; until then, or if it never does, it is nobody's.
    result.catch(() => {});
    begun.push(result);
    if (begun.length >= count) yield await begun.shift()!;
  }
  for (const result of begun) yield await result;
}
