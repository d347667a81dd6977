import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { htmlReport } from "../../src/report";
import { preflightPage } from "../../src/report/sections/preflight";
import { detection } from "../../src/tasks/detection";
import { segmentation } from "../../src/tasks/segmentation";
import type { Box, BoxSpace, Example, Polygon } from "../../src/types";
import { temporaryFolder } from "../datasets/temporary";
import { noBrowser, openBrowser } from "./browser";

interface Drawn {
  readonly kind: string;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Shapes of a page where the browser drew them, as shares of their image, and the width of each image on the screen. */
const drawnOn = (page: Page): Promise<readonly { readonly width: number; readonly shapes: readonly Drawn[] }[]> =>
  // Text, since the types of a document are not those of Node.
  page.evaluate(`[...document.querySelectorAll("svg.picture")].map((picture) => {
    const image = picture.querySelector("use").getBoundingClientRect();
    const shapes = [...picture.querySelectorAll("rect, polygon")].map((shape) => {
      const { x, y, width, height } = shape.getBBox();
      const matrix = shape.getScreenCTM();
      const from = new DOMPoint(x, y).matrixTransform(matrix);
      const to = new DOMPoint(x + width, y + height).matrixTransform(matrix);
      return {
        kind: shape.getAttribute("class"),
        left: (from.x - image.left) / image.width,
        top: (from.y - image.top) / image.height,
        right: (to.x - image.left) / image.width,
        bottom: (to.y - image.top) / image.height,
      };
    });
    return { width: image.width, shapes };
  })`);

const box = (space: BoxSpace, x: number, y: number, width: number, height: number): Box => ({
  space,
  x,
  y,
  width,
  height,
});

const viewports = [1400, 768, 420];

describe.skipIf(noBrowser)(`a drawn box${noBrowser ? ` (${noBrowser})` : ""}`, () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser.close());
  const open = async (html: string, width = 1400) => {
    const page = await browser.newPage({ viewport: { width, height: 900 } });
    await page.setContent(html);
    return page;
  };

  // A wide, a tall and a tiny image; boxes in each space, at an edge, thin, and over the whole image.
  for (const [width, height] of [
    [640, 426],
    [90, 400],
    [8, 4],
  ] as const) {
    const image = { width, height, data: new Uint8Array(width * height * 3).fill(128) };
    const truth = [
      box("pixel", width / 4, height / 4, width / 2, height / 8),
      box("thousand", 900, 100, 100, 5),
      box("unit", 0, 0, 1, 1),
    ];
    const prediction = [box("thousand", 333, 667, 200, 100)];
    /** Left, top, right, bottom as shares of the image. */
    const expected = [
      ["truth", 0.25, 0.25, 0.75, 0.375],
      ["truth", 0.9, 0.1, 1, 0.105],
      ["truth", 0, 0, 1, 1],
      ["prediction", 0.333, 0.667, 0.533, 0.767],
    ];
    const task = detection({ target: "dog" });
    const example: Example<readonly Box[]> = { id: "a", image, annotation: truth, subject: "dog" };
    const records = [{ exampleId: "a", text: "", think: "there", prediction }];

    it.each(viewports)(
      `lies within half a pixel of its annotation on a ${width}×${height} image at %i px`,
      async (at) => {
        const html = await htmlReport({ title: "boxes", task, dataset: [example], runs: [], records });
        const page = await open(html, at);
        const [drawn, ...others] = await drawnOn(page);
        expect(others).toEqual([]);
        expect(drawn!.width).toBeGreaterThan(100);
        expect(drawn!.shapes.map(({ kind }) => kind)).toEqual(expected.map(([kind]) => kind));
        const halfPixel = { x: 0.5 / drawn!.width, y: (0.5 / drawn!.width) * (width / height) };
        drawn!.shapes.forEach(({ left, top, right, bottom }, i) => {
          const [, ...edges] = expected[i] as [string, number, number, number, number];
          for (const [edge, got, slack] of [
            [edges[0], left, halfPixel.x],
            [edges[1], top, halfPixel.y],
            [edges[2], right, halfPixel.x],
            [edges[3], bottom, halfPixel.y],
          ] as const)
            expect(Math.abs(got! - edge!)).toBeLessThanOrEqual(slack);
        });
        await page.close();
      },
    );

    it(`lies where it is annotated on the page before the first step, on a ${width}×${height} image`, async () => {
      const page = await open(await preflightPage(task, [example], []));
      const [drawn] = await drawnOn(page);
      expect(drawn!.shapes.map(({ left, right }) => [left.toFixed(2), right.toFixed(2)])).toEqual([
        ["0.25", "0.75"],
        ["0.90", "1.00"],
        ["0.00", "1.00"],
      ]);
      await page.close();
    });
  }

  it("colours the pixels of the screen on the edges of the annotation, over the image it belongs to", async () => {
    const image = { width: 200, height: 100, data: new Uint8Array(60_000).fill(255) };
    const html = await htmlReport({
      title: "boxes",
      task: detection({ target: "dog" }),
      runs: [],
      dataset: [{ id: "a", image, annotation: [box("pixel", 50, 20, 100, 40)] }],
      records: [{ exampleId: "a", text: "", think: "there", prediction: null }],
    });
    const page = await browser.newPage({ deviceScaleFactor: 4 });
    await page.setContent(html);
    const { data, info } = await sharp(await page.screenshot())
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const shown = await page.evaluate<Readonly<Record<"x" | "y" | "width", number>>>(
      `document.querySelector("svg.picture use").getBoundingClientRect().toJSON()`,
    );
    const isGreen = (i: number) => data[3 * i]! < 60 && data[3 * i + 1]! > 130 && data[3 * i + 2]! < 140;
    const scale = shown.width / 200;
    const device = (x: number, y: number) =>
      Math.round(4 * (shown.y + y * scale)) * info.width + Math.round(4 * (shown.x + x * scale));
    const tenths = (from: number, to: number) => Array.from({ length: 10 * (to - from) }, (_, i) => from + i / 10);
    /** Centre of the green stroke among places of the image, in its pixels. */
    const stroke = (places: readonly number[], pixelAt: (place: number) => number) => {
      const green = places.filter((place) => isGreen(pixelAt(place)));
      return (green[0]! + green.at(-1)!) / 2;
    };
    const edges = [
      stroke(tenths(40, 60), (x) => device(x, 40)),
      stroke(tenths(140, 160), (x) => device(x, 40)),
      stroke(tenths(10, 30), (y) => device(100, y)),
      stroke(tenths(50, 70), (y) => device(100, y)),
    ];
    for (const [i, expected] of [50, 150, 20, 60].entries())
      expect(Math.abs(edges[i]! - expected) * scale).toBeLessThanOrEqual(0.5);
    const corner = 3 * device(4, 4);
    expect([...data.subarray(corner, corner + 3)]).toEqual([255, 255, 255]);
    await page.close();
  });

  it("follows an image that is shown upright by its EXIF orientation", async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "turned.jpg");
    const stored = { create: { width: 64, height: 48, channels: 3, background: "#888" } } as const;
    await writeFile(path, await sharp(stored).jpeg().withMetadata({ orientation: 6 }).toBuffer());
    const html = await htmlReport({
      title: "boxes",
      task: detection({ target: "dog" }),
      runs: [],
      dataset: [{ id: "a", image: path, annotation: [box("pixel", 38, 54, 10, 10)] }],
      records: [{ exampleId: "a", text: "", think: "there", prediction: null }],
    });
    const page = await open(html);
    const [drawn] = await drawnOn(page);
    const { right, bottom } = drawn!.shapes[0]!;
    expect([right.toFixed(2), bottom.toFixed(2)]).toEqual(["1.00", "1.00"]);
    await page.close();
  });

  it("is an outline where a polygon is annotated", async () => {
    const points: Polygon["points"] = [
      [0.25, 0.25],
      [0.75, 0.25],
      [0.5, 1],
    ];
    const image = { width: 60, height: 30, data: new Uint8Array(5400) };
    const html = await htmlReport({
      title: "outlines",
      task: segmentation({ target: "leaf" }),
      runs: [],
      dataset: [{ id: "a", image, annotation: [{ space: "unit", points } as Polygon] }],
      records: [{ exampleId: "a", text: "", think: "there", prediction: null }],
    });
    const page = await open(html);
    const [drawn] = await drawnOn(page);
    const { kind, left, top, right, bottom } = drawn!.shapes[0]!;
    expect([kind, ...[left, top, right, bottom].map((share) => share.toFixed(2))]).toEqual([
      "truth",
      "0.25",
      "0.25",
      "0.75",
      "1.00",
    ]);
    await page.close();
  });

  it("asks for nothing outside the page, and the console stays empty", async () => {
    const image = { width: 8, height: 4, data: new Uint8Array(96) };
    const html = await htmlReport({
      title: "boxes",
      task: detection({ target: "dog" }),
      runs: [],
      dataset: [{ id: "a", image, annotation: [box("unit", 0, 0, 1, 1)] }],
      records: [{ exampleId: "a", text: "", think: "there", prediction: null }],
    });
    const page = await browser.newPage();
    const seen: string[] = [];
    page.on("request", (request) => {
      if (!request.url().startsWith("data:")) seen.push(request.url());
    });
    page.on("console", (message) => seen.push(message.text()));
    await page.setContent(html);
    expect(seen).toEqual([]);
    await page.close();
  });
});
