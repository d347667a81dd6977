import { expect, it } from "vitest";
import { counted, shown } from "../../src/options/display";

it("a value in a message is one short line, and text is told from a number", () => {
  expect([shown("2"), shown(2), shown(Number.NaN), shown(undefined), shown(null)]).toEqual([
    ...['"2"', "2", "NaN", "undefined", "null"],
  ]);
  expect(shown({ a: [1, "b"] })).toBe('{"a":[1,"b"]}');
  expect(shown("x".repeat(1000)).length).toBeLessThan(110);
  expect(shown({ dataset: new Array(1000).fill({}) }).length).toBeLessThan(110);
  expect([shown(() => 1), shown(Promise.resolve())]).toEqual(["a function", "Promise {}"]);
  const others = [new URL("file:///a.jpg"), new TypeError("no"), new Uint8Array(9), new Map([[1, 2]]), Buffer.alloc(2)];
  const texts = ["URL file:///a.jpg", "TypeError TypeError: no", "Uint8Array of 9", "Map of 1", "Buffer of 2"];
  expect(others.map(shown)).toEqual(texts);
  const circle: unknown[] = [];
  circle.push(circle);
  expect(shown(circle)).toBe("what cannot be shown");
});

it("a count of things has a singular", () => {
  expect([0, 1, 2].map((count) => counted(count, "image"))).toEqual(["0 images", "1 image", "2 images"]);
});
