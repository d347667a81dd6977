import { checkArguments, listKind, objectKind } from "../options/arguments";
import type { FormatCheck } from "../types";
import { meanOver } from "./outcome";

/**
 * Share of completions in the required format.  @throws DataError for no completions
 * @example
 * formatRate(cots.map(({ cot }) => checkCotFormat(cot)));
 */
export function formatRate(checks: readonly FormatCheck[]): number {
  checkArguments("formatRate", { checks }, { checks: listKind(objectKind) });
  return meanOver("formatRate", checks, ({ ok }) => (ok ? 1 : 0));
}
