import { randomUUID } from "node:crypto";
import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GenerateOptions, VlmBackend } from "../../backend";
import { BackendError, ConfigError } from "../../errors";
import type { Trainer } from "../../trainer";
import type { Completion, Prompt } from "../../types";
import type { AdapterCalls } from "./adapter-calls";
import { takenOver } from "./completions";

export interface PolicyServer {
  readonly calls: AdapterCalls;
  /** Opens the model of this name on the server. */
  readonly open: (model: string) => VlmBackend;
  readonly adapterDir: string | undefined;
  readonly serverAdapterDir: string | undefined;
}

export interface ServedPolicy {
  /** Samples the present weights: loads their adapter first if the server does not have it. */
  generate(prompts: readonly Prompt[], options: GenerateOptions): Promise<readonly (readonly Completion[])[]>;
  weightsChanged(): void;
  dispose(): Promise<void>;
}

/** Serves the policy. If the server was restarted and lost the adapter, it is loaded again, once a call. */
export async function servedPolicy(trainer: Trainer, server: PolicyServer): Promise<ServedPolicy> {
  const adapters = await adaptersOn(server, trainer);
  const generate = async (prompts: readonly Prompt[], options: GenerateOptions, mayReload = true) => {
    const { temperature = 1, onPromptEnd } = options;
    const backend = await adapters.current();
    let told = 0;
    const tell = async (i: number, outcome: readonly Completion[] | Error) => {
      told++;
      await onPromptEnd?.(i, outcome instanceof Error ? outcome : takenOver(outcome, temperature));
    };
    try {
      const groups = await backend.generate(prompts, { ...options, ...(onPromptEnd && { onPromptEnd: tell }) });
      return groups.map((group) => takenOver(group, temperature));
    } catch (error) {
      if (!isGone(error)) throw error;
      adapters.isLost(backend);
      // Each prompt is told of once.
      if (told > 0 || !mayReload) throw error;
      return generate(prompts, options, false);
    }
  };
  return { generate, weightsChanged: adapters.outdated, dispose: adapters.dispose };
}

interface Served {
  readonly name: string;
  readonly dir: string;
  readonly backend: VlmBackend;
  /** The number of changes of the weights before it was saved. */
  readonly version: number;
}

/** Keeps one adapter loaded, of a new name for each change of the weights. */
async function adaptersOn({ calls, open, adapterDir, serverAdapterDir }: PolicyServer, trainer: Trainer) {
  const folder = adapterDir ?? (await mkdtemp(join(tmpdir(), "rise-vllm-")));
  // Names of an earlier run may still be loaded.
  const run = randomUUID().slice(0, 8);
  let loads = 0;
  let version = 0;
  let served: Served | undefined;
  /** The backend whose adapter the server has lost. */
  let lost: VlmBackend | undefined;
  let loading: Promise<void> | undefined;

  const drop = async ({ name, dir }: Served) => {
    // A server that was restarted does not have it.
    await calls.unload(name).catch(() => {});
    await rm(dir, { recursive: true, force: true });
  };
  const load = async (): Promise<void> => {
    const name = `rise-${run}-${++loads}`;
    const dir = join(folder, name);
    // The weights may change while they are saved.
    const saved = version;
    try {
      await trainer.save(dir);
      await requireAdapter(dir);
      await calls.load(name, `${serverAdapterDir ?? folder}/${name}`);
    } catch (error) {
      await rm(dir, { recursive: true, force: true });
      throw error;
    }
    const old = served;
    served = { name, dir, backend: open(name), version: saved };
    if (old) await drop(old);
  };
  return {
    async current(): Promise<VlmBackend> {
      const wanted = version;
      while (!served || served.version < wanted || served.backend === lost) {
        loading ??= load().finally(() => {
          loading = undefined;
        });
        await loading;
      }
      return served.backend;
    },
    outdated: () => {
      version++;
    },
    isLost: (backend: VlmBackend) => {
      lost = backend;
    },
    async dispose() {
      await loading?.catch(() => {});
      if (served) await drop(served);
      if (adapterDir === undefined) await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The server was restarted, and has no adapter of this name any more. */
const isGone = (error: unknown) =>
  error instanceof BackendError && /: 404: .*rise-[0-9a-f]{8}-\d+/s.test(error.message);

async function requireAdapter(dir: string): Promise<void> {
  await access(join(dir, "adapter_config.json")).catch(() => {
    throw new ConfigError(
      "vllmSampler: expected a trainer with lora, whose adapter vLLM can load, got one that trains whole weights; " +
        "vLLM takes those only through its own transfer between GPUs: pass lora, or sample with the trainer",
    );
  });
}
