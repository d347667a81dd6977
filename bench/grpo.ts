/**
 * Claim: half a million tokens' loss and gradient take well under a second in plain numbers, little beside any model's pass over them. TRL's tensors
 * are faster still.
 *
 *   RISE_PYTHON=… npx tsx bench/grpo.ts                half a minute
 *
 * 64 groups of 8 completions of 1024 tokens, from log-probs to ∂L/∂logProbs, ratios spread over the clip range, all tokens counted. Ours is what a
 * user calls, `grpoLoss`, in float64, checks and metrics included, on one core. TRL's is `GRPOTrainer._compute_loss` and autograd, on all cores; the
 * faster of its float32 and float64 counts, and the float64 loss has to be ours. Both sides take turns in one run.
 */
import { type GrpoLossOptions, grpoLoss } from "../src/grpo/loss/loss";
import { grpoPresets } from "../src/grpo/presets";
import { createRng } from "../src/rng";
import { type Rounds, reportRounds } from "./measure";
import { inTurn, withPeer } from "./peer";

const [groups, groupSize, length] = [64, 8, 1024];
const count = groups * groupSize;
const rng = createRng(0, "bench grpo");
const draw = (size: number, value: () => number) => Float32Array.from({ length: size }, value);
const logProbs = draw(count * length, () => -3 * rng.uniform());
const near = () => logProbs.map((logProb) => logProb + 0.2 * rng.normal());
const [oldLogProbs, refLogProbs, advantages] = [near(), near(), draw(count, () => rng.normal())];
const mask = new Float32Array(count * length).fill(1);
const rows = (values: Float32Array) =>
  Array.from({ length: count }, (_, i) => values.subarray(i * length, (i + 1) * length));
const batch = {
  logProbs: rows(logProbs),
  oldLogProbs: rows(oldLogProbs),
  refLogProbs: rows(refLogProbs),
  advantages,
  mask: rows(mask),
};

const cases: readonly { readonly what: string; readonly options: GrpoLossOptions }[] = [
  { what: "dapo", options: grpoPresets.trl.loss },
  { what: "dapo with KL", options: { ...grpoPresets.trl.loss, klCoefficient: 0.04 } },
  { what: "grpo, ratios of sequences", options: { importanceLevel: "sequence" } },
];

const { refLogProbs: _, ...withoutReference } = batch;
const settings = { cases: cases.map(({ options }) => ({ settings: settingsOf(options) })) };
const arrays = new Map(
  Object.entries({ logProbs, oldLogProbs, refLogProbs, mask, advantages }).map(([name, data]) => [
    name,
    { shape: data.length === count ? [count] : [count, length], data },
  ]),
);

await withPeer("grpo.py", settings, arrays, async (peer) => {
  const results: Rounds[] = [];
  for (const [n, { what, options }] of cases.entries()) {
    const given = options.klCoefficient ? batch : withoutReference;
    const work = {
      what: `${what}, ${count} × ${length} tokens`,
      ours: () => grpoLoss(given, options).loss,
      requests: { float64: { case: n, dtype: "float64" }, float32: { case: n, dtype: "float32" } },
      check(ours: number, { loss }: Readonly<Record<string, number>>, way: string) {
        if (way === "float64" && !(Math.abs(loss! / ours - 1) < 1e-9))
          throw new Error(`not the same work: the loss of ${what} is ${ours} here and ${loss} in TRL`);
      },
    };
    results.push(await inTurn(peer, work));
  }
  reportRounds("grpo", ["rise-ts", "TRL"], results, peer.facts);
});

/** As test/reference/grpo/stand.py takes them. */
function settingsOf({ lossType = "grpo", importanceLevel = "token", klCoefficient = 0 }: GrpoLossOptions) {
  return {
    ...{ lossType, importanceLevel, beta: klCoefficient, groupSize, maxLength: length },
    ...{ useOld: true, epsilon: 0.2, epsilonHigh: 0.2, delta: null, klImportanceWeight: true, topEntropy: 1 },
    ...{ entropyCoefficient: 0, offPolicyThreshold: null, sampler: null, maskTruncated: false, weights: [1] },
    ...{ accumulationSteps: 1, stepsPerGeneration: 1, scale: "group", aggregation: "sum_then_normalize" },
  };
}
