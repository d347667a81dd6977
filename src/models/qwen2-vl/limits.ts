import { ConfigError } from "../../errors";

/** @throws ConfigError naming the first value, of those that are given, which is not a positive integer */
export function checkPositiveIntegers(where: string, values: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(values))
    if (value !== undefined && !(Number.isInteger(value) && value > 0))
      throw new ConfigError(`${where}: expected ${name} to be a positive integer, got ${value}`);
}
