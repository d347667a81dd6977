import { expect, it } from "vitest";
import { shown } from "../../src/options/display";

it("a value in a message is one short line, and text is told from a number", () => {
  expect([shown("2"), shown(2), shown(Number.NaN), shown(undefined), shown(null)]).toEqual([
    ...['"2"', "2", "NaN", "undefined", "null"],
  ]);
  expect(shown({ a: [1, "b"] })).toBe('{"a":[1,"b"]}');
  expect(shown("x".repeat(1000)).length).toBeLessThan(110);
  expect(shown({ dataset: new Array(1000).fill({}) }).length).toBeLessThan(110);
  expect([shown(() => 1), shown(Promise.resolve())]).toEqual(["a function", "Promise { undefined }"]);
  const circle: unknown[] = [];
  circle.push(circle);
  expect(shown(circle)).toBe("what cannot be shown");
});
