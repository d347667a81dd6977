import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BackendError, ConfigError, DataError, EngineError, NonFiniteError, TrainingError } from "../../src/errors";
import { openModel, type VisionLanguageModel } from "../../src/models/open-model";
import { onnxTrainer } from "../../src/trainers/onnx";
import { type TorchTrainerOptions, torchTrainer } from "../../src/trainers/torch";
import type { Prompt } from "../../src/types";
import { checkpointDir, promptOf, reference } from "../models/reference";
import { describeTrainer } from "./contract";
import { serveTrainer, type TorchServer, token } from "./torch-server";

const prompts = [promptOf(reference.cases[0]!), promptOf(reference.cases[1]!)] as const;
const words: Prompt = [{ role: "user", content: [{ type: "text", text: "Say something." }] }];
const sequences = prompts.map((prompt, i) => ({ prompt, completion: reference.cases[i]!.completionIds }));
const servers: TorchServer[] = [];
let model: VisionLanguageModel;

beforeAll(async () => {
  process.env.RISE_TORCH_TOKEN = token;
  model = await openModel(checkpointDir);
});
afterAll(async () => {
  delete process.env.RISE_TORCH_TOKEN;
  for (const server of servers) await server.close();
});

async function serve(info?: object): Promise<TorchServer> {
  const trainer = await onnxTrainer({ model: checkpointDir, device: "cpu", lora: { rank: 2 } });
  const server = await serveTrainer(trainer, model, [...prompts, words], info);
  servers.push(server);
  return server;
}

const connect = ({ ready }: TorchServer, options: TorchTrainerOptions = {}) =>
  torchTrainer({ model: checkpointDir, connect: ready, startMs: 2000, ...options });

describeTrainer("torch, over a server in Node", async () => connect(await serve()), {
  prompts,
  words,
  texts: ["A calm lake.", "Two dogs"],
  tolerance: 1e-4,
});

describe("torchTrainer", () => {
  it("refuses an option of the workers beside connect, and a connect without a token", async () => {
    const wrong = torchTrainer({ model: checkpointDir, connect: "ready.json", processes: 8 });
    await expect(wrong).rejects.toThrow(/torchTrainer: expected no processes beside connect/);
    delete process.env.RISE_TORCH_TOKEN;
    const tokenless = torchTrainer({ model: checkpointDir, connect: "ready.json" });
    await expect(tokenless).rejects.toThrow(ConfigError);
    process.env.RISE_TORCH_TOKEN = token;
    await expect(tokenless).rejects.toThrow(/expected the workers' token in RISE_TORCH_TOKEN, got none/);
  });

  it("refuses a sequence that is longer than the model's context, before it is sent", async () => {
    const server = await serve();
    const trainer = await connect(server);
    const long = { prompt: words, completion: Array<number>(model.config.text.contextLength).fill(5) };
    await expect(trainer.logProbs([sequences[0]!, long])).rejects.toThrow(
      /^sequence 1: expected its tokens to fit the model's context of 512, got \d+ of the prompt and 512 of the completion/,
    );
    await expect(trainer.backward([long], [long.completion])).rejects.toThrow(DataError);
    expect(server.calls).not.toContain("logprobs");
  });

  it("names what a Python lacks, and the command that installs it", async () => {
    const missing = torchTrainer({ model: checkpointDir, python: "/nowhere/python" });
    await expect(missing).rejects.toThrow(
      /expected a Python at \/nowhere\/python, got no such program; run: .* -m pip install -r .*requirements-torch\.txt/,
    );
  });

  it("waits for the ready file, and says when it does not come or is another", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rise-torch-test-"));
    const ready = join(folder, "ready.json");
    const never = torchTrainer({ model: checkpointDir, connect: ready, startMs: 200 });
    await expect(never).rejects.toThrow(/expected the workers to write .*ready\.json within 200 ms/);
    await writeFile(ready, '{"protocol": 2, "url": "http://127.0.0.1:1"}');
    const other = torchTrainer({ model: checkpointDir, connect: ready, startMs: 200 });
    await expect(other).rejects.toThrow(/expected \{ "protocol": 1.*start the workers with the rise_torch\.py/);
    await rm(folder, { recursive: true });
  });

  it("waits for this job's ready file where an earlier job's still lies", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rise-torch-test-"));
    const ready = join(folder, "ready.json");
    const server = await serve();
    const [ours, ended] = [await readFile(server.ready, "utf8"), await serve()];
    await ended.close();
    await cp(ended.ready, ready);
    const late = torchTrainer({ model: checkpointDir, connect: ready, startMs: 20_000 });
    setTimeout(() => void writeFile(ready, ours), 300);
    await (await late).dispose();
    expect(server.calls).toEqual(["info", "stop"]);
    await cp(ended.ready, ready);
    const never = torchTrainer({ model: checkpointDir, connect: ready, startMs: 200 });
    await expect(never).rejects.toThrow(/to write .*ready\.json within 200 ms, and nobody listens at http:\/\/127/);
    await rm(folder, { recursive: true });
  });

  it("knows the packages of the workers and their device, for environment.json", async () => {
    const trainer = await connect(await serve());
    const versions = { torch: "2.14.1", transformers: "5.24.0", peft: "0.21.2", device: "cpu" };
    expect(trainer.sampler().versions).toEqual(versions);
  });

  it.each([
    ["another model", { config: "0" }, /expected workers of .*, got workers of another config\.json/],
    ["steps of another program", { steps: 3 }, /expected workers that nobody has trained, got workers after step 3/],
    [
      "a shard as large as the model",
      {
        shard: "fsdp",
        processes: [
          ["a", 1],
          ["a", 2],
        ],
        parameters: 8,
        local: [8, 8],
      },
      /FSDP did not shard/,
    ],
    ["other tensors", { trainable: {} }, /expected the tensors that onnxTrainer trains/],
    ["another protocol", { protocol: 2 }, /expected workers of this version's rise_torch\.py, got others: protocol/],
  ])("refuses workers with %s", async (_, info, message) => {
    const server = await serve(info);
    await expect(connect(server)).rejects.toThrow(message);
  });

  it("aborts a call at once, tells the workers, and forgets the gradient that they may have added to", async () => {
    const server = await serve();
    const trainer = await connect(server);
    let late: ServerResponse | undefined;
    server.misbehave = (call, response) => {
      if (call === "backward") late = response;
      return call === "backward";
    };
    const controller = new AbortController();
    const cotangents = sequences.map(({ completion }) => completion.map(() => 1));
    const call = trainer.backward(sequences, cotangents, { signal: controller.signal });
    await until(() => late !== undefined);
    controller.abort(new Error("enough"));
    await expect(call).rejects.toThrow("enough");
    await until(() => server.calls.includes("abort"));
    late!.writeHead(200).end("{}");
    server.misbehave = () => false;
    await expect(trainer.optimStep({ learningRate: 1e-3 })).rejects.toThrow(TrainingError);
    expect(server.calls.slice(-2)).toEqual(["forget", "optim_step"]);
  });

  it("sends a prompt once however many completions it has, and images as absolute paths", async () => {
    const server = await serve();
    const trainer = await connect(server);
    let body = "";
    server.misbehave = (call, response, request) => {
      if (call !== "logprobs") return false;
      body = String(request.headers["content-length"]);
      response.writeHead(200).end(JSON.stringify({ rows: [] }));
      return true;
    };
    const eight = Array.from({ length: 8 }, () => sequences[0]!);
    await expect(trainer.logProbs(eight)).rejects.toThrow(/logprobs: expected 8 rows from the workers, got 0/);
    const ofEight = Number(body);
    await expect(trainer.logProbs(eight.slice(0, 1))).rejects.toThrow(/expected 1 row from/);
    expect(ofEight).toBeLessThan(8 * Number(body));
  });
});

describe("an answer of the workers", () => {
  const asking = async (misbehave: TorchServer["misbehave"], options: TorchTrainerOptions = {}) => {
    const server = await serve();
    const trainer = await connect(server, options);
    server.misbehave = (call, ...rest) => call !== "progress" && call !== "abort" && misbehave(call, ...rest);
    return { server, trainer };
  };
  const says = (status: number, text: string) => (_: string, response: ServerResponse) => {
    response.writeHead(status).end(text);
    return true;
  };
  const problem = (type: string, message: string) =>
    JSON.stringify({ error: [{ rank: 3, type, message, trace: "a\nb" }] });

  it.each([
    [
      500,
      problem("DataError", "x.png: expected an image"),
      DataError,
      "torchTrainer, logprobs, rank 3: x.png: expected an image",
    ],
    [
      500,
      problem("OutOfMemory", "CUDA out of memory"),
      BackendError,
      /rank 3: OutOfMemory: CUDA out of memory; try fewer rowsAtOnce/,
    ],
    [500, problem("RuntimeError", "boom"), BackendError, /rank 3: RuntimeError: boom\na\nb/],
    [401, '{"error":"wrong token"}', BackendError, /HTTP 401: wrong token; RISE_TORCH_TOKEN must be the same/],
    [404, '{"error":"expected one of info"}', BackendError, /HTTP 404: expected one of info/],
    [413, '{"error":"too long"}', BackendError, /HTTP 413: too long/],
    [200, "no JSON", BackendError, /HTTP 200: no JSON/],
    [200, "[]", BackendError, /HTTP 200/],
    [200, '{"rows":7}', BackendError, /expected 2 rows from the workers, got none/],
    [200, '{"rows":[{},{}]}', BackendError, /expected numbers in base64 from the workers, got undefined/],
    [502, "<html>", BackendError, /HTTP 502: <html>/],
  ] as const)("%i %s is the error that it means", async (status, text, kind, message) => {
    const { trainer } = await asking(says(status, text));
    const failing = trainer.logProbs(sequences);
    await expect(failing).rejects.toBeInstanceOf(kind);
    await expect(failing).rejects.toThrow(message);
    await expect(failing).rejects.not.toThrow(/learning rate/);
  });

  it("that is not finite is an error of the weights", async () => {
    const nan = Buffer.from(Float64Array.of(Number.NaN).buffer).toString("base64");
    const row = { tokens: [5], ended: false, logProbs: nan, samplingLogProbs: nan, temperedLogProbs: nan };
    const { trainer } = await asking(says(200, JSON.stringify({ rows: [row] })));
    await expect(trainer.sampler().generate([words], { seed: 0 })).rejects.toThrow(NonFiniteError);
  });

  it("that breaks off, and one that never comes, are a dead engine for every later call", async () => {
    const breaksOff = (_: string, response: ServerResponse) => {
      response.destroy();
      return true;
    };
    const endsEarly = (_: string, response: ServerResponse) => {
      response.writeHead(200, { "Content-Length": 100 }).write("{");
      setTimeout(() => response.destroy(), 50);
      return true;
    };
    // As a killed process: nothing says how long the answer would have been.
    const isCut = (_: string, response: ServerResponse) => {
      response.socket!.end('HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"rows": [{"log');
      return true;
    };
    for (const [misbehave, message] of [
      [isCut, /logprobs: expected an answer, got the first 15 characters of one/],
      [breaksOff, /logprobs: expected an answer, got a broken connection/],
      [endsEarly, /logprobs: expected an answer, got a broken answer/],
      [() => true, /logprobs: expected an answer, got none within 700 ms/],
    ] as const) {
      const { trainer, server } = await asking(misbehave, { callMs: 700 });
      const failing = trainer.logProbs(sequences);
      await expect(failing).rejects.toBeInstanceOf(EngineError);
      await expect(failing).rejects.toThrow(message);
      await expect(failing).rejects.toThrow(/Run the same command again with resume: true/);
      const calls = server.calls.length;
      await expect(trainer.optimStep({ learningRate: 1e-3 })).rejects.toThrow(message);
      expect(server.calls.length).toBe(calls);
    }
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 10));
}
