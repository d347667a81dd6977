import { counted, listed } from "../options/display";
import type { Listener } from "../runs/run";
import { type LogOption, openLog } from "../terminal/log";
import type { AnnotateDatasetEvent, AnnotateDatasetResult } from "./events";

/** Opens the log of `annotateDataset`. */
export function listenToImages<A>(
  title: string,
  { log: option, runDir }: { readonly log?: LogOption | undefined; readonly runDir?: string | undefined },
): Listener<AnnotateDatasetEvent<A>> {
  const log = openLog(title, option);
  const part = "images";
  return {
    hear(event) {
      if (event.type === "run-end") return log.close(resultOf(event.result, runDir));
      const total = event.total === undefined ? {} : { total: event.total };
      if (event.type === "images-found") {
        log.tell({ type: "plan", parts: [{ name: part, ...total }] });
        const others = event.leftOut.map(({ where, reason }) => `${where}: ${reason}`);
        if (others.length > 0) log.tell({ type: "note", text: `no images: ${listed(others, "; ", 3)}` });
      }
      const { failed, unreadable } = event.type === "image-end" ? event : { failed: 0, unreadable: 0 };
      const figures = Object.entries({ failed, unreadable }).filter(([, count]) => count > 0);
      log.tell({ type: "progress", part, done: event.done, ...total, figures });
    },
    close: () => log.close(),
  };
}

/** Says how many answers are no annotation; "" if all are one. */
export function unreadableWords({
  unreadable,
  cutOff,
}: {
  readonly unreadable: number;
  readonly cutOff: number;
}): string {
  const cause = cutOff > 0 ? `, ${cutOff} of them cut off: raise maxTokens` : "";
  return unreadable === 0 ? "" : `; ${counted(unreadable, "answer")} cannot be read${cause}`;
}

/** The result in a sentence. */
function resultOf<A>(result: AnnotateDatasetResult<A>, runDir: string | undefined): string {
  const { images, failed, unreadable } = result;
  const failures = failed.map(({ exampleId, message }) => `${exampleId}: ${message}`);
  const ending = failed.length === 0 ? "" : `; ${failed.length} failed: ${listed(failures, "; ", 3)}`;
  const place = runDir === undefined ? "" : `; annotations are in ${runDir}`;
  return `${images - failed.length - unreadable} of ${counted(images, "image")} annotated${place}${unreadableWords(result)}${ending}`;
}
