/** Selects rated cots: the best, and those good enough to learn from. */
export { bestRollout, type FilterOptions, type Judged, selectHighQuality } from "./select";
