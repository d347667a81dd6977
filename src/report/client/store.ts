import type { PageText } from "../elements/cards";
import type { PageData } from "../elements/page-data";

/** The text at a place of the page's list. */
export function textAt({ texts }: PageData, at: number): PageText {
  const entry = texts[at]!;
  return typeof entry === "string" ? [entry, entry.length] : entry;
}

/** The first element that fits. It must be there, since the same version of the library wrote the page. */
export const element = <T extends Element>(root: ParentNode, selector: string): T => root.querySelector<T>(selector)!;
