import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { DataError } from "../../src/errors";
import type { Guard } from "../../src/events";
import { grpoPresets } from "../../src/grpo/presets";
import { answerRun, answerTrainer, cotRun, cotTrainer, dataset, trainerFailingFor, withFolders } from "./world";

const read = (name: string) => readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), "utf8");
const page = read("training");
const section = (heading: string, text = page) => text.split(`## ${heading}\n`)[1]!.split("\n## ")[0]!;
/** Names in backticks in the first column of a section's table. */
const explained = (heading: string, text?: string) =>
  section(heading, text)
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .flatMap((line) => [...line.split(" | ")[0]!.matchAll(/`([^`]+)`/g)].map(([, name]) => name!));

describe("docs/training.md", () => {
  it("explains every metric that a run writes, and no other", async () => {
    const heldOut = [{ ...dataset[0]!, id: "other" }];
    const { advantages, loss } = grpoPresets.trl;
    const runs = await Promise.all([
      cotRun({ trainer: cotTrainer(), heldOut }),
      cotRun({ trainer: cotTrainer(), grpo: { advantages, loss: { ...loss, klCoefficient: 0.04 } } }),
      cotRun({ trainer: { ...cotTrainer(), samplerDiffers: true } }),
      cotRun({ trainer: cotTrainer(), grpo: { advantages, loss: { ...loss, entropyCoefficient: 0.01 } } }),
      answerRun({ trainer: answerTrainer(), heldOut }),
      cotRun({ trainer: trainerFailingFor(cotTrainer(), "picnic", () => new DataError("no image")) }),
    ]);
    const names = runs
      .flatMap(({ metrics }) => metrics.flatMap((row) => Object.keys(row)))
      .map((name) => name.replace(/^eval_(?!reward$).*/, "eval_…").replace(/^rewards\/\w+/, "rewards/NAME"));
    expect(explained("Metrics").toSorted()).toEqual([...new Set(names)].toSorted());
  });

  it("explains every guard", () => {
    const guards: Readonly<Record<Guard, true>> = {
      ...{ format: true, "zero-std": true, clipped: true, leaking: true, repetition: true },
      ...{ "flat-reward": true, standstill: true, diverging: true, "damaged-checkpoint": true, "failed-example": true },
    };
    expect(
      explained("Guards")
        .filter((name) => name !== "guard")
        .toSorted(),
    ).toEqual(Object.keys(guards).toSorted());
  });
});

it("docs/overview.md names every file that a run leaves behind", () =>
  withFolders(1, async (folder) => {
    await cotRun({ trainer: cotTrainer(), runDir: folder! });
    const named = explained("What a run directory holds", read("overview")).map((name) => name.split("/")[0]);
    expect(named).toEqual(expect.arrayContaining(await readdir(folder!)));
  }));
