/**
 * Has TRL and verl score random batches and compares; makes every recording again with the Python packages it came from, and compares; has
 * transformers and PEFT load what this library saves, and compares log-probs; trains beside PyTorch, and compares where the parameters went; and
 * compares four random checkpoints of Qwen2-VL, and two of each other family, in everything; has datasets load every form of export, and compares texts and pixels; has TensorBoard read the metrics of a resumed run. Takes a few minutes; the first time it installs PyTorch into .venv-reference.
 *
 *   npm run test:reference
 *
 * RISE_PYTHON names a Python that has the packages of requirements.txt already.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Comparison, compareJson, compareTensors } from "./compare";
import { compareExports } from "./exports/live";
import { compareTrl } from "./grpo/live";
import { compareVerl } from "./grpo/verl";
import { compareScores } from "./interop/compare";
import { compareMetrics } from "./metrics/live";
import { comparePolygons } from "./polygons/live";
import { createPython, type Python } from "./python";
import { comparePixels } from "./qwen2-vl/pixels";
import { compareShape } from "./shapes/compare";
import { compareTensorboard, compareWandb } from "./trackers/live";
import { furthest, replay, ways } from "./trajectory/replay";

const here = fileURLToPath(new URL(".", import.meta.url));
const recorded = (path: string) => join(here, path);

/** Largest relative difference that other processors and thread counts may make in float32. */
const usual = 1e-4;

const scratch = await mkdtemp(join(tmpdir(), "rise-reference-"));
const python = await createPython(recorded("requirements.txt"), join(here, "../../.venv-reference"));
let failed = 0;
try {
  for (const compare of [
    compareTrl,
    compareVerl,
    qwen2Vl,
    comparePixels,
    resize,
    sampling,
    entropies,
    samplerCorrection,
    peft,
    optim,
    coco,
    reward,
    compareMetrics,
    comparePolygons,
    compareExports,
    compareScores,
    compareTensorboard,
    compareWandb,
    trajectory,
    shapes,
    families,
  ])
    for (const comparison of await compare(python, scratch)) report(comparison);
} finally {
  await rm(scratch, { recursive: true });
}
process.exitCode = failed > 0 ? 1 : 0;

function report({ what, difference, where, tolerance = usual }: Comparison): void {
  const ok = difference <= tolerance;
  if (!ok) failed++;
  console.log(`${ok ? "ok  " : "FAIL"}  ${what.padEnd(62)} ${difference.toExponential(1)}${ok ? "" : `  at ${where}`}`);
}

async function qwen2Vl(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "qwen2-vl-tiny");
  await python(recorded("qwen2-vl/make.py"), out);
  const data = recorded("data/qwen2-vl-tiny");
  const both = (file: string) => [join(data, file), join(out, file)] as const;
  return [
    await compareJson("transformers: tokens, positions, pictures, greedy tokens", ...both("cases.json")),
    await compareTensors("transformers: features, logits, gradients", ...both("arrays.safetensors")),
    await compareTensors("transformers: a checkpoint", ...both("checkpoint/model.safetensors")),
    await compareJson("transformers: its configuration", ...both("checkpoint/config.json")),
  ];
}

async function resize(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "resize.json");
  await python(recorded("qwen2-vl/resize.py"), recorded("data/photographs"), out);
  return [await compareJson("torchvision: bicubic resizing", recorded("data/resize.json"), out)];
}

async function sampling(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "sampling.json");
  await python(recorded("qwen2-vl/sampling.py"), recorded("data/qwen2-vl-tiny"), out);
  return [
    await compareJson("transformers: temperature, top-k, top-p, repetition", recorded("data/sampling.json"), out),
  ];
}

async function entropies(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "entropy.json");
  await python.writing(out, recorded("entropy/make.py"), recorded("data/qwen2-vl-tiny"));
  return [await compareJson("TRL: entropies; PyTorch: their gradient", recorded("data/entropy.json"), out)];
}

async function samplerCorrection(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "sampler-correction.json");
  await python.writing(out, recorded("grpo/sampler.py"));
  return [
    await compareJson("TRL: sampler correction, and what it logs", recorded("data/sampler-correction.json"), out),
  ];
}

async function peft(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "peft");
  await python(recorded("peft/make.py"), recorded("data/qwen2-vl-tiny"), out);
  const both = (file: string) => [recorded(`data/peft/${file}`), join(out, file)] as const;
  return [
    await compareTensors("PEFT: log-probs and gradients", ...both("figures.safetensors")),
    await compareTensors("PEFT: an adapter", ...both("adapter_model.safetensors")),
    await compareJson("PEFT: its configuration", ...both("adapter_config.json")),
  ];
}

async function optim(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "optim.json");
  await python.writing(out, recorded("optim/make.py"));
  return [
    await compareJson("torch: AdamW, clipping; transformers: schedules", recorded("optim/optim-peers.json"), out),
  ];
}

async function reward(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "published.json");
  await python.writing(out, recorded("reward/published.py"));
  return [await compareJson("SciPy: RISE's published reward", recorded("reward/published.json"), out)];
}

async function coco(python: Python, scratch: string): Promise<Comparison[]> {
  const fixtures = recorded("../metrics/fixtures");
  const out = join(scratch, "coco.json");
  await python.writing(out, join(fixtures, "coco-eval.py"));
  return [await compareJson("pycocotools: mean average precision", join(fixtures, "coco-eval.json"), out)];
}

/** PyTorch trains again; so does this library, on the same data. */
async function trajectory(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "trajectory");
  await python(recorded("trajectory/make.py"), recorded("data/qwen2-vl-tiny"), out, "float32");
  const comparisons: Comparison[] = [];
  for (const way of ways) {
    comparisons.push(
      await compareTensors(
        `PyTorch and TRL: where 20 steps of ${way} lead`,
        recorded(`data/trajectory/${way}.safetensors`),
        join(out, `${way}.safetensors`),
      ),
    );
    const divergence = await replay(out, way);
    for (const [of, whole, tolerance] of [
      ["ofNorm", "its norm", 5e-5],
      ["ofTravelled", "the way it went", 5e-3],
    ] as const) {
      const { name, error } = furthest(divergence, of);
      comparisons.push({
        what: `20 steps of ${way}: a parameter over ${whole}`,
        difference: error,
        where: name,
        tolerance,
      });
    }
  }
  return comparisons;
}

/** transformers and PEFT on four random checkpoints of other shapes than the recorded one. */
async function shapes(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "shapes");
  await python(recorded("qwen2-vl/shapes.py"), out);
  const comparisons: Comparison[] = [];
  for (const name of ["tied", "untied", "multihead", "wide"])
    for (const comparison of await compareShape(join(out, name), join(out, "images")))
      comparisons.push({ ...comparison, what: `${name}: ${comparison.what}` });
  return comparisons;
}

/** transformers and PEFT on tiny random checkpoints of the other families. */
async function families(python: Python, scratch: string): Promise<Comparison[]> {
  const out = join(scratch, "families");
  await python(recorded("families/record.py"), out);
  const comparisons: Comparison[] = [];
  for (const family of ["qwen2-5-vl", "qwen3-vl"])
    for (const shape of ["tied", "untied"])
      for (const comparison of await compareShape(join(out, family, shape), join(out, "images")))
        comparisons.push({ ...comparison, what: `${family}, ${shape}: ${comparison.what}` });
  return comparisons;
}
