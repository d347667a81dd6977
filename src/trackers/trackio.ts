import { randomUUID } from "node:crypto";
import { object, readOptions, specOf, text } from "../options/spec";
import { endpoint, httpAddress, key, postJson } from "./post";
import { outbox, scalarsOf, type Tracker } from "./tracker";

/** Options of `trackio`. */
export interface TrackioOptions {
  readonly project: string;
  /** The name of this run. */
  readonly run: string;
  /** The server's address ("http://127.0.0.1:7860"): `trackio show` prints it. */
  readonly url?: string;
  /** The server's write token, which stands in the link that `trackio show` prints (`TRACKIO_WRITE_TOKEN`). */
  readonly token?: string;
  /** Settings to show beside the run, such as the learning rate (none). */
  readonly config?: Readonly<Record<string, unknown>>;
}

export const trackioSpec = specOf<TrackioOptions>()(() => ({
  project: text("the project's name").describe("The project's name"),
  run: text("the run's name").describe("The name of this run"),
  url: httpAddress().default("http://127.0.0.1:7860").describe("The server's address: trackio show prints it"),
  token: key().optional().describe("The server's write token; TRACKIO_WRITE_TOKEN without it"),
  config: object().optional().describe("Settings to show beside the run, such as the learning rate"),
}));

/**
 * Sends a run's metrics to a trackio server.
 * @throws ConfigError for wrong options
 * Source: trackio 0.43, `bulk_log` in server.py.
 * @example
 * const tracker = trackio({ project: "mugs", run: "cot", url: "http://127.0.0.1:7860", token });
 * await track(riseCot({ task, dataset, runDir: "runs/cot" }), [tracker]);
 */
export function trackio(options: TrackioOptions): Tracker {
  const { project, run, url, config, ...rest } = readOptions("trackio", options, trackioSpec);
  const token = rest.token ?? process.env.TRACKIO_WRITE_TOKEN;
  const headers: Record<string, string> = token ? { "x-trackio-write-token": token } : {};
  const entries = outbox<Readonly<Record<string, unknown>>>(async (logs) => {
    await postJson(endpoint(url, "api/bulk_log"), { logs, hf_token: null }, { headers, secrets: token ? [token] : [] });
  });
  let sent = 0;
  return {
    record: (metrics) =>
      entries.add({
        project,
        run,
        step: metrics.step,
        metrics: Object.fromEntries(scalarsOf(metrics).map(([name, value]) => [name, jsonNumber(value)])),
        // A step that is sent again, since the answer was lost, counts once.
        log_id: randomUUID(),
        ...(sent++ === 0 && config && { config }),
      }),
    close: () => entries.close(),
  };
}

/** A number as JSON can hold it: trackio reads "NaN", "Infinity" and "-Infinity" as numbers. */
const jsonNumber = (value: number): number | string => (Number.isFinite(value) ? value : String(value));
