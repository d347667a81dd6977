import { createHash } from "node:crypto";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readHeader } from "../../src/models/files/safetensors";
import type { VisionLanguageModel } from "../../src/models/open-model";
import type { Trainer } from "../../src/trainer";
import { sendPrompts } from "../../src/trainers/workers/rows";
import type { Prompt } from "../../src/types";

/** The answers of rise_torch.py, written a second time: the same calls over any trainer, in this process. */
export interface TorchServer {
  /** The ready file. */
  readonly ready: string;
  /** Every call that came, by name. */
  readonly calls: string[];
  /** Answers a call itself if it returns true. */
  misbehave: (call: string, response: ServerResponse, request: IncomingMessage) => boolean;
  close(): Promise<void>;
}

export const token = "a token of the tests";

/** A row as it is sent. */
interface Row {
  readonly index: number;
  readonly prompt: number;
  readonly completion: number[];
  readonly seed: number;
  readonly gradient: string;
  readonly entropyGradient: string;
}

interface Call {
  readonly call: string;
  readonly args: {
    readonly prompts: readonly { readonly tokens: readonly number[] }[];
    readonly batches: readonly (readonly (readonly Row[])[])[];
    readonly places: Readonly<Record<string, readonly (readonly [path: string, name: string])[]>>;
    readonly [option: string]: unknown;
  };
}

const numbers = (base64: string) => {
  const bytes = Buffer.from(base64, "base64");
  return Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readDoubleLE(8 * i));
};
const base64 = (row: ArrayLike<number>) => Buffer.from(Float64Array.from(row).buffer).toString("base64");

/** @param prompts all prompts that will come, since only their tokens are sent */
export async function serveTrainer(
  trainer: Trainer,
  model: VisionLanguageModel,
  prompts: readonly Prompt[],
  info: object = {},
): Promise<TorchServer> {
  const folder = await mkdtemp(join(tmpdir(), "rise-torch-server-"));
  const sent = await sendPrompts(model, prompts);
  const known = new Map(prompts.map((prompt) => [String(sent.prompts[sent.numberOf(prompt)]!.tokens), prompt]));
  const about = { ...(await aboutTrainer(trainer, model, folder)), ...info };
  const calls: string[] = [];
  const answers = answersOf(trainer, (tokens) => known.get(String(tokens))!, about);
  const self: TorchServer = {
    ready: join(folder, "ready.json"),
    calls,
    misbehave: () => false,
    close: () => new Promise<void>((done) => void server.close(() => done())),
  };
  const server: Server = createServer(async (request, response) => {
    const body: Buffer[] = [];
    for await (const piece of request) body.push(piece as Buffer);
    const reply = (status: number, json: object) => response.writeHead(status).end(JSON.stringify(json));
    if (request.headers.authorization !== `Bearer ${token}`) return reply(401, { error: "wrong token" });
    const { call, args } = JSON.parse(Buffer.concat(body).toString("utf8")) as Call;
    calls.push(call);
    if (self.misbehave(call, response, request)) return;
    try {
      reply(200, (await answers[call]?.(args)) ?? {});
    } catch (error) {
      const { name, message } = error as Error;
      reply(500, { error: [{ rank: 0, type: name, message, trace: "" }] });
    }
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await writeFile(self.ready, JSON.stringify({ protocol: 1, url: `http://127.0.0.1:${port}` }));
  return self;
}

/** The worker's description of itself: the tensors are those that the trainer saves. */
async function aboutTrainer(trainer: Trainer, model: VisionLanguageModel, folder: string) {
  const dir = join(folder, "first");
  await trainer.save(dir);
  const { r, lora_alpha, use_rslora } = JSON.parse(await readFile(join(dir, "adapter_config.json"), "utf8"));
  const header = await readHeader(join(dir, "adapter_model.safetensors"));
  const trainable = Object.fromEntries(
    [...header].map(([name, { shape }]) => [name.replace("base_model.model.", ""), shape]),
  );
  const parameters = Object.values(trainable).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
  return {
    protocol: 1,
    versions: { torch: "2.14.1", transformers: "5.24.0", peft: "0.21.2" },
    config: createHash("sha256")
      .update(await readFile(join(model.dir, "config.json")))
      .digest("hex"),
    processes: [["here", process.pid]],
    device: "cpu",
    shard: "none",
    lora: { rank: r, alpha: lora_alpha, rsLora: use_rslora, targetModules: "language" },
    trainable,
    parameters,
    local: [parameters],
    steps: 0,
  };
}

function answersOf(
  trainer: Trainer,
  promptOf: (tokens: readonly number[]) => Prompt,
  info: object,
): Readonly<Record<string, (args: Call["args"]) => Promise<object>>> {
  const rowsOf = ({ batches }: Call["args"]) => batches.flat(2).sort((a, b) => a.index - b.index);
  const sequencesOf = (args: Call["args"]) =>
    rowsOf(args).map(({ prompt, completion }) => ({ prompt: promptOf(args.prompts[prompt]!.tokens), completion }));
  const folderOf = ({ places }: Call["args"]) => join(Object.values(places)[0]![0]![0], "..");
  let steps = 0;
  return {
    info: async () => info,
    async logprobs(args) {
      const { temperature, policy } = args as unknown as { temperature: number; policy: "current" };
      const logProbs = await trainer.logProbs(sequencesOf(args), { temperature, policy });
      const entropies = await trainer.entropies(sequencesOf(args), { temperature });
      return { rows: logProbs.map((row, i) => ({ logProbs: base64(row), entropies: base64(entropies[i]!) })) };
    },
    async backward(args) {
      const rows = rowsOf(args);
      const entropyCotangents = rows.map(({ entropyGradient, completion }) =>
        entropyGradient ? numbers(entropyGradient) : completion.map(() => 0),
      );
      const { logProbs, entropies } = await trainer.backward(
        sequencesOf(args),
        rows.map(({ gradient }) => numbers(gradient)),
        { temperature: Number(args.temperature), entropyCotangents },
      );
      return { rows: logProbs.map((row, i) => ({ logProbs: base64(row), entropies: base64(entropies![i]!) })) };
    },
    async forget() {
      await trainer.backward([], [1 as never]).catch(() => {});
      return {};
    },
    async generate(args) {
      const { maxTokens, temperature, topK, topP, repetitionPenalty, stop } = args as unknown as Parameters<
        ReturnType<Trainer["sampler"]>["generate"]
      >[1];
      const rows: object[] = [];
      for (const { prompt, seed } of rowsOf(args)) {
        const options = { maxTokens, temperature, topP, repetitionPenalty, stop, seed, ...(topK && { topK }) };
        const [[completion]] = (await trainer
          .sampler()
          .generate([promptOf(args.prompts[prompt]!.tokens)], options as never)) as [
          [Required<Awaited<ReturnType<ReturnType<Trainer["sampler"]>["generate"]>>[0][0]>],
        ];
        rows.push({
          tokens: completion.tokenIds,
          ended: completion.finishReason === "stop",
          logProbs: base64(completion.logProbs),
          samplingLogProbs: base64(completion.samplingLogProbs),
          temperedLogProbs: base64(completion.temperedLogProbs ?? completion.samplingLogProbs),
        });
      }
      return { rows };
    },
    async interpolate(args) {
      steps = 0;
      await trainer.interpolate!((args as unknown as { share: number }).share);
      return {};
    },
    async optim_step({ adamw }) {
      const { gradNorm } = await trainer.optimStep({ learningRate: (adamw as { lr: number }).lr });
      steps++;
      return { gradNorm };
    },
    async save(args) {
      await trainer.save(folderOf(args));
      return { step: steps };
    },
    async load(args) {
      await trainer.load(folderOf(args));
      steps = Number(args.step);
      return {};
    },
  };
}
