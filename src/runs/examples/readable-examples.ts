import type { VlmBackend } from "../../backend";
import type { Omission } from "../../dataset";
import { DataError } from "../../errors";
import type { RunEvent, WorkProgress } from "../../events";
import { counted } from "../../options/display";
import type { Example, ImageSource } from "../../types";

export interface ReadableSettings<A> {
  readonly dataset: readonly Example<A>[];
  readonly heldOut: readonly Example<A>[];
  readonly onOmission?: ((omission: Omission) => void) | undefined;
}

export interface ReadableExamples<A> {
  readonly dataset: readonly Example<A>[];
  readonly heldOut: readonly Example<A>[];
  readonly leftOut: readonly Omission[];
}

/** Images that are read at the same time; the backend bounds how many of them it decodes at a time. */
const atOnce = 8;

/**
 * Has the backend decode every image once before a run spends anything, and tells how long that took. An image of
 * several examples is read once.
 *
 * @returns the examples whose images can be read; all of them if the backend cannot check images
 * @throws DataError naming the number of unreadable images, the first of them and the reason, unless `onOmission` is
 * there; also if no image can be read
 */
export async function* readableExamples<A>(
  { dataset, heldOut, onOmission }: ReadableSettings<A>,
  backend: VlmBackend,
  signal: AbortSignal,
  tell: (progress: WorkProgress) => void = () => {},
): AsyncGenerator<RunEvent<never, never>, ReadableExamples<A>, void> {
  // A shard may have no examples.
  if (!backend.checkImage || dataset.length === 0) return { dataset, heldOut, leftOut: [] };
  const started = performance.now();
  const examples = [...dataset, ...heldOut];
  const images = new Set(examples.map(({ image }) => image));
  let done = 0;
  const said = () => tell({ type: "progress", work: "images", done, total: images.size });
  said();
  const check = async (image: ImageSource) => {
    try {
      await backend.checkImage!(image);
    } finally {
      done++;
      said();
    }
  };
  const faults = await faultsOf(images, check, signal);
  const leftOut = examples.filter(({ image }) => faults.has(image));
  const omissions = leftOut.map(({ id, image }) => ({ where: `example ${id}`, reason: faults.get(image)!.message }));
  if (leftOut.length > 0 && !onOmission) throw unreadable(omissions, examples.length, faults.get(leftOut[0]!.image));
  for (const omission of omissions) onOmission?.(omission);
  const readable = (of: readonly Example<A>[]) => of.filter(({ image }) => !faults.has(image));
  if (readable(dataset).length === 0) throw unreadable(omissions, examples.length);
  yield { type: "images-end", images: images.size, leftOut: omissions, seconds: (performance.now() - started) / 1000 };
  return { dataset: readable(dataset), heldOut: readable(heldOut), leftOut: omissions };
}

async function faultsOf(
  images: ReadonlySet<ImageSource>,
  check: (image: ImageSource) => Promise<void>,
  signal: AbortSignal,
): Promise<ReadonlyMap<ImageSource, Error>> {
  const faults = new Map<ImageSource, Error>();
  const work = async (waiting: Iterable<ImageSource>) => {
    for (const image of waiting) {
      signal.throwIfAborted();
      await check(image).catch((error: unknown) => {
        // Other errors are faults of the program or of the machine.
        if (!(error instanceof DataError)) throw error;
        faults.set(image, error);
      });
    }
  };
  // A reader that leaves the loop over a generator ends it for all.
  const waiting = eachOf(images);
  const ends = await Promise.allSettled(Array.from({ length: atOnce }, () => work(waiting)));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return faults;
}

function* eachOf<T>(items: Iterable<T>): Generator<T, void, void> {
  yield* items;
}

/** Images that an error names; an error has room for no more. */
const named = 100;

function unreadable(omissions: readonly Omission[], examples: number, cause?: Error): DataError {
  const first = omissions.slice(0, named).map(({ where, reason }) => `\n  ${where}: ${reason}`);
  const more = omissions.length > named ? `\n  and ${omissions.length - named} more` : "";
  return new DataError(
    `expected images that can be read, but the image cannot be read in ${omissions.length} of ${counted(examples, "example")}; mend them, or pass onOmission to leave them out:${first.join("")}${more}`,
    { cause },
  );
}
