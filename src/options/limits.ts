import { checkNumber } from "./options";

/** @throws ConfigError naming the first value, of those that are given, which is not a positive integer */
export function checkPositiveIntegers(where: string, values: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(values))
    if (value !== undefined)
      checkNumber(where, `${name} to be a positive integer`, value, Number.isInteger(value) && value > 0);
}

/** What logits can be divided by or multiplied with: beyond, float32 has numbers for neither them nor their exponentials. */
export const isDivisor = (x: number): boolean => x >= 1e-6 && x <= 1e6;
export const divisors = "from 0.000001 to 1000000";
