import { MessageChannel } from "node:worker_threads";
import type { Tensor } from "./session";

/**
 * Frees the memory of tensors that are no longer read. Left to the garbage collector, each step's gradients would make
 * it search all live objects after each step. Shared memory is left alone.
 */
export function discard(tensors: Iterable<Tensor>): void {
  const buffers = new Set<ArrayBuffer>();
  for (const { data } of tensors) if (data.buffer instanceof ArrayBuffer) buffers.add(data.buffer);
  // Transferring a buffer to a closed port frees it.
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.postMessage(undefined, [...buffers]);
  port1.close();
}
