/** A decimal number without rounding: `units / 10^places`. */
interface Decimal {
  readonly units: bigint;
  readonly places: number;
}

/**
 * The longest text for exact arithmetic, whose time is more than linear: longer than any sum of two doubles (309
 * digits, a point and 341 more).
 */
const LONGEST = 700;

/** x + y as a decimal, exactly: 0.1 + 0.2 is 0.3. */
export function decimalSum(x: number, y: number): string {
  const [a, b] = [toDecimal(String(x)), toDecimal(String(y))];
  return a && b ? written(combined(a, b, 1n)) : String(x + y);
}

/**
 * The number nearest to a − b, for numbers as they are written: 0.3 − 0.1 is 0.2, so that a `decimalSum` reads back.
 */
export function decimalDifference(a: string, b: string): number {
  const [x, y] = [toDecimal(a), toDecimal(b)];
  return x && y ? Number(written(combined(x, y, -1n))) : Number(a) - Number(b);
}

function combined(a: Decimal, b: Decimal, sign: bigint): Decimal {
  const places = Math.max(a.places, b.places);
  const scaled = ({ units, places: own }: Decimal) => units * 10n ** BigInt(places - own);
  return { units: scaled(a) + sign * scaled(b), places };
}

function toDecimal(text: string): Decimal | null {
  const [, sign, whole = "", fraction = "", power = "0"] = /^([+-]?)(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  if (sign === undefined || text.length > LONGEST || Math.abs(Number(power)) > LONGEST) return null;
  const units = BigInt(`0${whole}${fraction}`) * (sign === "-" ? -1n : 1n);
  const places = fraction.length - Number(power);
  return places >= 0 ? { units, places } : { units: units * 10n ** BigInt(-places), places: 0 };
}

function written({ units, places }: Decimal): string {
  const digits = String(units < 0n ? -units : units).padStart(places + 1, "0");
  const fraction = digits.slice(digits.length - places).replace(/0+$/, "");
  const sign = units < 0n ? "-" : "";
  const whole = digits.slice(0, digits.length - places);
  return places > 0 && fraction !== "" ? `${sign}${whole}.${fraction}` : `${sign}${whole}`;
}
