import type { Log } from "../../terminal/log";
import { size } from "../../terminal/text";

/** The progress of a model's download. */
export interface DownloadProgress {
  readonly model: string;
  /** The file under way. */
  readonly file: string;
  /** Bytes loaded, and in total, of all files that the model needs. */
  readonly loaded: number;
  readonly total: number;
}

/** A function that is told of every piece of a download. */
export type OnDownload = (progress: DownloadProgress) => void;

/** Shows a download in a log, which `close` ends: with true if it succeeded. */
export function downloadLog(log: Log): { readonly onDownload: OnDownload; readonly close: (isDone: boolean) => void } {
  let total: number | undefined;
  return {
    onDownload(progress) {
      if (total === undefined) {
        ({ total } = progress);
        log.tell({ type: "plan", parts: [{ name: "download", total, isBytes: true }] });
      }
      log.tell({ type: "progress", part: "download", done: progress.loaded, detail: progress.file });
    },
    close(isDone) {
      if (isDone && total !== undefined) log.close(`${size(total)} are in the cache`);
      else log.close();
    },
  };
}
