/** Cots that were rated: which are the best, and which are good enough to learn from. */
export { bestRollout, type FilterOptions, selectHighQuality } from "./select";
