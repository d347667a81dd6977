import * as z from "zod";
import { BackendError, ConfigError } from "../errors";
import { object, readOptions, type Settings, specOf, text } from "../options/spec";
import { endpoint, httpAddress, key, postJson } from "./post";
import { outbox, scalarsOf, type Tracker } from "./tracker";

/** Options of `wandb`. */
export interface WandbOptions {
  readonly project: string;
  /** The user or team that the project belongs to (the key's own). */
  readonly entity?: string;
  /** The name of this run (one that the server chooses). */
  readonly run?: string;
  /** The key from wandb.ai/authorize (`WANDB_API_KEY`). */
  readonly apiKey?: string;
  /** The server's address ("https://api.wandb.ai"). */
  readonly url?: string;
  /** Settings to show beside the run, such as the learning rate (none). */
  readonly config?: Readonly<Record<string, unknown>>;
}

export const wandbSpec = specOf<WandbOptions>()(() => ({
  project: text("the project's name").describe("The project's name"),
  entity: text("a user or a team").optional().describe("The user or the team; the key's own without it"),
  run: text("the run's name").optional().describe("The name of this run; one that wandb makes up without it"),
  apiKey: key().optional().describe("The key; WANDB_API_KEY without it"),
  url: httpAddress().default("https://api.wandb.ai").describe("The server's address"),
  config: object().optional().describe("Settings to show beside the run, such as the learning rate"),
}));

/**
 * Sends a run's metrics to Weights & Biases, as a new run.
 *
 * The requests are those of wandb's own client. A resumed run of ours is a second run there.
 * @throws ConfigError for wrong options, or without a key
 * Source: what wandb 0.31.0 sends, test/reference/trackers/wandb.json.
 * @example
 * await track(riseCot({ task, dataset, runDir: "runs/cot" }), [wandb({ project: "mugs", run: "cot" })]);
 */
export function wandb(options: WandbOptions): Tracker {
  const { url, ...settings } = readOptions("wandb", options, wandbSpec);
  const apiKey = settings.apiKey ?? process.env.WANDB_API_KEY;
  if (!apiKey) throw new ConfigError("wandb: apiKey: expected a key, got none; pass apiKey or set WANDB_API_KEY");
  const authorization = `Basic ${Buffer.from(`api:${apiKey}`).toString("base64")}`;
  const post = (path: string, body: object) =>
    postJson(endpoint(url, path), body, { headers: { authorization }, secrets: [apiKey, authorization] });

  const started = Date.now();
  const summary: Record<string, Json> = {};
  let stream: string | undefined;
  let beat: NodeJS.Timeout | undefined;
  let offset = 0;
  const lines = outbox<string>(async (content) => {
    stream ??= await startRun(post, settings);
    beat ??= setInterval(() => post(stream!, {}).catch(() => {}), heartbeatMs).unref();
    const last = { offset: 0, content: [json(summary)] };
    await post(stream, { files: { "wandb-history.jsonl": { offset, content }, "wandb-summary.json": last } });
    offset += content.length;
  });
  return {
    record(metrics) {
      const seconds = (Date.now() - started) / 1000;
      const times = { _step: metrics.step, _timestamp: Date.now() / 1000, _runtime: seconds };
      const values = { ...Object.fromEntries(scalarsOf(metrics)), ...times };
      Object.assign(summary, values, { _wandb: { runtime: Math.floor(seconds) } });
      lines.add(json(values));
    },
    async close(failure) {
      await lines.close().finally(() => clearInterval(beat));
      if (stream) await post(stream, { complete: true, exitcode: failure === undefined ? 0 : 1 });
    },
  };
}

/** A server takes a run for crashed that says nothing for minutes. */
const heartbeatMs = 30_000;

type Json = number | { readonly [name: string]: Json };

/** JSON as wandb's own client writes it: with NaN, Infinity and -Infinity. */
const json = (value: Json): string =>
  typeof value === "number"
    ? String(value)
    : `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}:${json(one)}`)}}`;

const upsert = `mutation UpsertBucket($name: String, $project: String, $entity: String, $displayName: String, $config: JSONString) {
  upsertBucket(input: { name: $name, modelName: $project, entityName: $entity, displayName: $displayName, config: $config }) {
    bucket { name project { name entity { name } } }
  }
}`;

const named = z.object({ name: z.string() });
const replySchema = z.object({
  data: z.object({
    upsertBucket: z.object({ bucket: named.extend({ project: named.extend({ entity: named }) }) }),
  }),
});

/** Makes a run, and returns the path of its stream of files. */
async function startRun(
  post: (path: string, body: object) => Promise<unknown>,
  settings: Pick<Settings<WandbOptions, typeof wandbSpec>, "project" | "entity" | "run" | "config">,
): Promise<string> {
  const { project, entity, run: displayName } = settings;
  const values = Object.fromEntries(Object.entries(settings.config ?? {}).map(([name, value]) => [name, { value }]));
  const name = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => (byte % 36).toString(36)).join("");
  const variables = { name, project, entity, displayName, config: JSON.stringify(values) };
  const reply = await post("graphql", { query: upsert, variables });
  const read = replySchema.safeParse(reply);
  if (!read.success)
    throw new BackendError(`wandb: expected a new run, got ${JSON.stringify(reply).slice(0, 500)}`, {
      scope: "backend",
    });
  const { bucket } = read.data.data.upsertBucket;
  const path = [bucket.project.entity.name, bucket.project.name, bucket.name].map(encodeURIComponent).join("/");
  return `files/${path}/file_stream`;
}
