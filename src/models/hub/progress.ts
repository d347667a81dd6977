/** The progress of a model's download. */
export interface DownloadProgress {
  readonly model: string;
  /** The file under way. */
  readonly file: string;
  /** Bytes loaded, and in total, of all files that the model needs. */
  readonly loaded: number;
  readonly total: number;
}

export type OnDownload = (progress: DownloadProgress) => void;

/** Shows progress: one changing line on a terminal, else a line every ten percent. */
export function downloadDisplay(
  stream: { readonly isTTY?: boolean; write(text: string): unknown } = process.stderr,
): OnDownload {
  let shown = "";
  return ({ model, file, loaded, total }) => {
    const percent = total === 0 ? 100 : Math.floor((100 * loaded) / total);
    const step = stream.isTTY ? `${file} ${percent}` : `${percent - (percent % 10)}`;
    if (step === shown) return;
    shown = step;
    const line = `${model}: ${String(percent).padStart(3)} % of ${size(total)}  ${file}`;
    stream.write(stream.isTTY ? `\r${line}\x1b[K${loaded === total ? "\n" : ""}` : `${line}\n`);
  };
}

function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
