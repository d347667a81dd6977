/** Selects rated cots: the best, and those good enough to learn from. */
export { bestRollout, type FilterOptions, selectHighQuality } from "./select";
