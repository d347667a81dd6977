import { checkNumber } from "../../options";

/** @throws ConfigError naming the first value, of those that are given, which is not a positive integer */
export function checkPositiveIntegers(where: string, values: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(values))
    if (value !== undefined)
      checkNumber(where, `${name} to be a positive integer`, value, Number.isInteger(value) && value > 0);
}
