import { MessageChannel } from "node:worker_threads";
import type { Tensor } from "./session";

/**
 * Frees the memory of tensors that are read no more. Left to the garbage collector, the gradients of each step would
 * make it search everything that is alive after each step. Memory that threads share is left alone.
 */
export function discard(tensors: Iterable<Tensor>): void {
  const buffers = new Set<ArrayBuffer>();
  for (const { data } of tensors) if (data.buffer instanceof ArrayBuffer) buffers.add(data.buffer);
  // What is sent to nobody is gone.
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.postMessage(undefined, [...buffers]);
  port1.close();
}
