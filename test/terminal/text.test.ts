import { expect, it } from "vitest";
import { clock, size } from "../../src/terminal/text";

it("sizes have four digits at most, with the unit that this takes", () => {
  const bytes = [0, 999, 1000, 999_949, 999_950, 1_000_000, 999_949_999, 999_950_000, 4.2e15];
  expect(bytes.map(size)).toEqual([
    "0 B",
    "999 B",
    "1.0 kB",
    "999.9 kB",
    "1.0 MB",
    "1.0 MB",
    "999.9 MB",
    "1.0 GB",
    "4200.0 TB",
  ]);
});

it("a clock that was set back stands at zero", () => {
  expect([-90, -0.5, 0, 65, 9000].map(clock)).toEqual(["0:00", "0:00", "0:00", "1:05", "2:30:00"]);
});
