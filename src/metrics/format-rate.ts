import type { FormatCheck } from "../types";
import { meanOver } from "./outcome";

/** Share of completions in the required format.  @throws DataError for no completions */
export function formatRate(checks: readonly FormatCheck[]): number {
  return meanOver("formatRate", checks, ({ ok }) => (ok ? 1 : 0));
}
