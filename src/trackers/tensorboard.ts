import { appendFile, mkdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import type { StepMetrics } from "../events";
import { protoWriter } from "../onnx/runtime/proto";
import { checkArguments, textKind } from "../options/arguments";
import { crc32c } from "./crc32c";
import { outbox, scalarsOf, type Tracker } from "./tracker";

/**
 * Writes a run's metrics as a TensorBoard event file: `tensorboard --logdir runs/tensorboard`.
 *
 * A resumed run writes a second file into the same directory, and TensorBoard drops the steps of the first one that it
 * repeats. Metrics whose names share a beginning, such as `rise/`, share a tab.
 *
 * @param dir the run's directory of event files; it is made if it is missing
 * Source: TensorFlow, tsl/lib/io/record_writer.cc (records) and core/util/event.proto.
 * @example
 * await track(riseCot({ task, dataset, runDir: "runs/cot" }), [tensorboard("runs/tensorboard/cot")]);
 */
export function tensorboard(dir: string): Tracker {
  checkArguments("tensorboard", { dir }, { dir: textKind });
  const start = Date.now() / 1000;
  const file = join(dir, `events.out.tfevents.${Math.floor(start)}.${hostname()}.${process.pid}.${count++}`);
  let isBegun = false;
  const events = outbox<{ readonly time: number; readonly metrics: StepMetrics }>(async (steps) => {
    const first = steps[0]!;
    const head = isBegun ? [] : [versionEvent(start), startEvent(first.time, first.metrics.step)];
    const records = [
      ...head,
      ...steps.map(({ time, metrics }) => summaryEvent(time, metrics.step, scalarsOf(metrics))),
    ];
    await mkdir(dir, { recursive: true });
    await appendFile(file, Buffer.concat(records.map(asRecord)));
    isBegun = true;
  });
  return {
    record: (metrics) => events.add({ time: Date.now() / 1000, metrics }),
    close: () => events.close(),
  };
}

/** Files that this process has begun: two of one second must not share a name. */
let count = 0;

const versionEvent = (time: number) => protoWriter().double(1, time).string(3, "brain.Event:2").finish();

/** Says that a session starts at this step, so that a reader drops later steps of an earlier session. */
const startEvent = (time: number, step: number) =>
  protoWriter().double(1, time).int(2, step).message(7, protoWriter().int(1, sessionStart)).finish();

/** SessionLog.SessionStatus.START */
const sessionStart = 1;

function summaryEvent(time: number, step: number, scalars: readonly (readonly [name: string, value: number])[]) {
  const summary = protoWriter();
  for (const [tag, value] of scalars) summary.message(1, protoWriter().string(1, tag).float(2, value));
  return protoWriter().double(1, time).int(2, step).message(5, summary).finish();
}

/** A TFRecord: the length as uint64, its checksum, the bytes, their checksum. */
function asRecord(data: Uint8Array): Buffer {
  const record = Buffer.alloc(8 + 4 + data.length + 4);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(masked(crc32c(record.subarray(0, 8))), 8);
  record.set(data, 12);
  record.writeUInt32LE(masked(crc32c(data)), 12 + data.length);
  return record;
}

/** A checksum of data that holds checksums itself: rotated by 15 bits, and a constant added. */
const masked = (crc: number) => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
