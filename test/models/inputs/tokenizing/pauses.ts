/**
 * Encodes texts one after another while this process is stopped and continued, and prints what came back wrong.
 *
 *   tsx test/models/inputs/tokenizing/pauses.ts tokenizer.json
 */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { runJob } from "../../../../src/models/inputs/tokenizing/sandbox";

const json = readFileSync(process.argv[2]!, "utf8");
const jobMs = 150;
const key = 1;
const open = () => void runJob("pauses", { job: "open", key, json, settings: "{}", template: "" }, 0, open);
open();

// A job has 150 ms, so a pause of 700 ms outlasts it. This process is paused, then all, then the process that answers alone.
const pauses = `for i in 1 2; do
  sleep 0.2; kill -STOP $0; sleep 0.7; kill -CONT $0
  sleep 0.2; all="$0 $(pgrep -P $0 | grep -vx $$)"; kill -STOP $all; sleep 0.7; kill -CONT $all
  sleep 0.2; other=$(pgrep -P $0 | grep -vx $$); kill -STOP $other; sleep 0.7; kill -CONT $other
done`;
const pausing = spawn("sh", ["-c", pauses, String(process.pid)], { stdio: "ignore" });
let ended = false;
pausing.on("exit", () => {
  ended = true;
});

const wrong: string[] = [];
for (let length = 5_000; !ended; length++) {
  const pieces = ["a b".repeat(length / 3), "!".repeat(length % 7)];
  try {
    const ids = runJob("pauses", { job: "encode", key, pieces }, 0, open, jobMs) as readonly number[] | undefined;
    const again = runJob("pauses", { job: "decode", key, rows: [ids ?? []] }, 0, open, jobMs) as readonly string[];
    if (again[0] !== pieces.join("")) wrong.push(`${length}: ${String(again[0]).slice(0, 40)}`);
  } catch (error) {
    wrong.push(`${length}: ${String(error)}`);
  }
  await new Promise(setImmediate);
}
console.log(JSON.stringify(wrong));
