/** A value as a data file has it: the text "1" is told from the number 1. */
export const shown = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value));
