/** Does something many times, and prints by how many MiB the heap grew after the first fifth: node --expose-gc … flat-program.ts WHAT */
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onnxBackend } from "../../src/backends/onnx";
import { openaiBackend } from "../../src/backends/openai";
import { jsonlDataset } from "../../src/datasets/jsonl";
import { RiseError } from "../../src/errors";
import { classification } from "../../src/tasks/classification";
import { checkpointDir, imagePath } from "../models/reference";

const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "What is this?" }] }];
const kinds = { requests, rows, completions };

/** @returns the bytes in use after everything that can be collected is collected */
function inUse(): number {
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function growth(count: number, once: (i: number) => Promise<void>): Promise<number> {
  let before = 0;
  for (let i = 0; i < count; i++) {
    if (i === count / 5) before = inUse();
    await once(i);
  }
  return inUse() - before;
}

/** 2 in a hundred of 10 000 requests are answered with 500, and tried again. */
async function requests(): Promise<number> {
  let asked = 0;
  globalThis.fetch = async () => {
    const body = { choices: [{ index: 0, message: { content: "a mug" }, finish_reason: "stop" }] };
    return asked++ % 50 === 0 ? new Response("{}", { status: 500 }) : Response.json(body);
  };
  const backend = openaiBackend({ baseUrl: "http://models.test/v1", model: "tiny", maxWaitMs: 1 });
  return growth(10_000, async (seed) => {
    await backend.generate([prompt], { seed, maxTokens: 4 }).catch((error) => {
      if (!(error instanceof RiseError)) throw error;
    });
  });
}

/** 50 000 lines, read as they are needed. */
async function rows(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "rise-flat-"));
  try {
    const file = await open(join(folder, "rows.jsonl"), "w");
    const image = imagePath("grey.png");
    for (let i = 0; i < 50; i++) {
      const line = (j: number) => JSON.stringify({ id: `${i}-${j}`, image, annotation: { joy: 1, anger: 0 } });
      await file.writeFile(Array.from({ length: 1000 }, (_, j) => `${line(j)}\n`).join(""));
    }
    await file.close();
    const task = classification({ labels: ["joy", "anger"] });
    const examples = jsonlDataset(join(folder, "rows.jsonl"), task, { allowOutside: true })[Symbol.asyncIterator]();
    return await growth(50_000, async () => void (await examples.next()));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** 250 completions of a network, of five lengths of prompts. */
async function completions(): Promise<number> {
  const backend = await onnxBackend({ model: checkpointDir, device: "cpu" });
  const asked = (i: number) => [
    { ...prompt[0]!, content: [{ type: "text" as const, text: "a mug ".repeat(1 + (i % 5)) }] },
  ];
  const grown = await growth(250, async (seed) => void (await backend.generate([asked(seed)], { seed, maxTokens: 4 })));
  await backend.dispose();
  return grown;
}

console.log((await kinds[process.argv[2] as keyof typeof kinds]()) / 2 ** 20);
