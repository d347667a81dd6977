import { join } from "node:path";
import { connectionFault } from "../backends/openai/faults";
import { BackendError, ConfigError } from "../errors";
import { accessToken } from "../models/hub/token";
import { checkArguments, textKind } from "../options/arguments";
import { choice, count, given, having, list, readOptions, secret, specOf, text } from "../options/spec";
import { withoutSecrets } from "../remote/secrets";
import { writeCard } from "./card";
import { checkpointFiles, contentOf, cotFiles } from "./files";

/** Options of `pushToHub`. */
export interface PushToHubOptions {
  /** The trained model or adapter, or D_RISE as a data set ("model"). */
  readonly what?: "model" | "cots";
  /** The step of the checkpoint to publish (the best on held-out examples, else the newest). */
  readonly step?: number;
  /** The hub id of the model that an adapter belongs to (the one that it was trained on, if that is on the hub). */
  readonly baseModel?: string;
  /** Directories that `evaluate` wrote; their metrics and intervals go into the card (none). */
  readonly evaluations?: readonly string[];
  /** The licence in the card, such as "apache-2.0" (none). */
  readonly license?: string;
  /** Who may see a repository that is new ("private"). */
  readonly visibility?: "private" | "public";
  /** A token with write access (`HF_TOKEN`, or the one of `hf auth login`). */
  readonly token?: string;
  /** Ends the upload while it is under way. */
  readonly signal?: AbortSignal;
}

/** The result of `pushToHub`. */
export interface Pushed {
  readonly url: string;
  /** The commit's id; `undefined` when everything was there already. */
  readonly commit: string | undefined;
  /** Paths in the repository. */
  readonly files: readonly string[];
}

const isHubName = (value: unknown): boolean => typeof value === "string" && /^\w[\w.-]*\/\w[\w.-]*$/.test(value);

export const pushToHubSpec = specOf<PushToHubOptions>()(() => ({
  what: choice(["model", "cots"]).default("model").describe("The trained model or adapter, or D_RISE as a data set"),
  step: count().optional().describe("The checkpoint's step; the best on held-out examples, else the newest"),
  baseModel: given<string>('a hub id, "owner/name"', isHubName)
    .optional()
    .describe("The hub id of the model that an adapter belongs to; the one that it was trained on without it"),
  evaluations: list<readonly string[]>("a list of directories", (dir) => typeof dir === "string")
    .default([])
    .describe("Directories of `evaluate`, whose metrics go into the card"),
  license: text("a licence, such as apache-2.0").optional().describe("The licence in the card"),
  visibility: choice(["private", "public"]).default("private").describe("Who may see a repository that is new"),
  token: secret("a Hugging Face token", (value) => /^[\x21-\x7e]+$/.test(value))
    .optional()
    .describe("A token with write access; HF_TOKEN or the one of hf auth login"),
  signal: having<AbortSignal>("an AbortSignal", "throwIfAborted")
    .optional()
    .describe("Ends the upload while it is under way"),
}));

/**
 * Publishes a run on the Hugging Face Hub: its checkpoint without the optimizer's state, or its cots, with a card that
 * says how they were made and what was measured. A repository that is missing is made. `HF_ENDPOINT` names another hub.
 *
 * @param runDir the directory of `riseCot` or `riseR1`
 * @param repo the repository, "owner/name"
 * @throws CheckpointError if the run has no such checkpoint, or an adapter of a model that is not on the hub;
 * ConfigError without a token; BackendError with the hub's words if it refuses
 * @example
 * import { pushToHub } from "rise-ts/publish";
 * const { url } = await pushToHub("runs/r1", "me/moods-with-reasons", { evaluations: ["runs/test"] });
 */
export async function pushToHub(runDir: string, repo: string, options: PushToHubOptions = {}): Promise<Pushed> {
  checkArguments("pushToHub", { runDir, repo }, { runDir: textKind, repo: textKind });
  const { what, step, baseModel, evaluations, license, visibility, token, signal } = readOptions(
    "pushToHub",
    options,
    pushToHubSpec,
  );
  if (!isHubName(repo)) throw new ConfigError(`pushToHub: repo: expected "owner/name", got ${JSON.stringify(repo)}`);
  const accessKey = token ?? (await accessToken())?.value;
  if (!accessKey)
    throw new ConfigError(
      "pushToHub: token: expected a token with write access, got none; set HF_TOKEN, or pass token",
    );
  const files = await (what === "model" ? checkpointFiles(runDir, step) : cotFiles(runDir));
  const card = await writeCard({ runDir, repo, files, baseModel, evaluations, license });
  const contents = await Promise.all(
    files.paths.map(async (path) => ({ path, content: await contentOf(join(files.folder, path), baseModel) })),
  );
  const hubUrl = (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  const designation = { type: what === "model" ? ("model" as const) : ("dataset" as const), name: repo };
  const { createRepo, repoExists, uploadFiles } = await import("@huggingface/hub");
  const target = { repo: designation, hubUrl, accessToken: accessKey };
  const done = await withHubsWords({ repo, hubUrl, key: accessKey }, signal, async () => {
    signal?.throwIfAborted();
    if (!(await repoExists(target))) await createRepo({ ...target, visibility });
    return uploadFiles({
      ...target,
      files: [{ path: "README.md", content: new Blob([card]) }, ...contents],
      commitTitle: what === "model" ? `Checkpoint of step ${files.step}` : "D_RISE",
      ...(signal && { abortSignal: signal }),
    });
  });
  const url = `${hubUrl}/${what === "model" ? "" : "datasets/"}${repo}`;
  return { url, commit: done?.commit.oid, files: ["README.md", ...files.paths] };
}

async function withHubsWords<T>(
  { repo, hubUrl, key }: { readonly repo: string; readonly hubUrl: string; readonly key: string },
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    signal?.throwIfAborted();
    const { statusCode } = cause as { readonly statusCode?: number };
    const { reason } = connectionFault(cause);
    const remedy = statusCode === 401 || statusCode === 403 ? "; pass a token with write access to it" : "";
    const words =
      statusCode === undefined
        ? `${repo}: expected an answer of ${hubUrl}, got ${reason}`
        : `${repo}: the hub refused: ${statusCode} ${reason}${remedy}`;
    throw new BackendError(withoutSecrets(words, [key]), { scope: "backend", cause });
  }
}
