import { resolve } from "node:path";
import { exportTransformersJs } from "../../export";
import type { ExportOptions } from "../../export/transformers-js";
import { exportSpec } from "../../export/transformers-js";
import type { Command } from "../frame/command";
import { table } from "../frame/output";

const { signal: _, ...flags } = exportSpec();

/** Writes a checkpoint for transformers.js, in Node and in browsers. */
export const exportCommand: Command = {
  operands: [
    { name: "MODEL", help: "a Hugging Face directory, or a hub id" },
    { name: "DIR", help: "the folder to write" },
  ],
  flags,
  async run(call) {
    const dir = resolve(call.folder, call.operands[1]!);
    const options: ExportOptions = { ...call.flags, signal: call.stop() };
    const { files, bytes } = await exportTransformersJs(call.operands[0]!, dir, options);
    const rows = [...Object.entries(files), ["all files", bytes] as const];
    const text = table([["file", "MB"], ...rows.map(([file, size]) => [file, (size / 1e6).toFixed(2)])]);
    return { result: { dir, files, bytes }, text };
  },
};
