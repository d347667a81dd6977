import { escapeHtml } from "../elements/escape";
import { shortNumber } from "../elements/text";

type Point = readonly [x: number, y: number];

/** Tells the values of every plot at the place of the pointer, or of the arrow keys. */
export function startCurves(): void {
  for (const figure of document.querySelectorAll<HTMLElement>(".plot")) startCurve(figure);
}

function startCurve(figure: HTMLElement): void {
  const svg = figure.querySelector<SVGSVGElement>("svg[data-x]");
  if (!svg) return;
  const [least, most, left, right] = svg.dataset.x!.split(" ").map(Number) as [number, number, number, number];
  const lines = [...svg.querySelectorAll<SVGElement>("[data-points]")].map(({ dataset }) =>
    dataset.points!.split(";").map((pair) => pair.split(" ").map(Number) as unknown as Point),
  );
  const names = [...figure.querySelectorAll(".key")].map((key) => key.firstChild?.textContent?.trim() ?? "");
  const cursor = document.createElementNS("http://www.w3.org/2000/svg", "path");
  cursor.setAttribute("class", "cursor");
  const told = document.createElement("output");
  figure.append(told);
  figure.tabIndex = 0;
  let x = least;
  const tell = (at: number) => {
    const values = lines.map((line) => nearest(line, at));
    x = values.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a), values[0]!)[0];
    const place = most === least ? (left + right) / 2 : left + ((x - least) / (most - least)) * (right - left);
    cursor.setAttribute("d", `M${place} 10V100`);
    svg.append(cursor);
    // A shorter line says nothing about the steps beyond its end.
    const isOn = (line: readonly Point[]) => x >= line[0]![0] && x <= line.at(-1)![0];
    const words = values.map(([, y], i) => `${escapeHtml(names[i] ?? "")} ${isOn(lines[i]!) ? shortNumber(y) : "–"}`);
    told.innerHTML = `step ${x}: ${words.map((each) => each.trim()).join(", ")}`;
  };
  svg.addEventListener("pointermove", ({ clientX }) => {
    const box = svg.getBoundingClientRect();
    const share = (((clientX - box.left) / box.width) * svg.viewBox.baseVal.width - left) / (right - left);
    tell(least + Math.min(Math.max(share, 0), 1) * (most - least));
  });
  figure.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const all = lines.flat().map(([value]) => value);
    const next = all.filter((value) => (value - x) * step > 0).sort((a, b) => (a - b) * step)[0];
    tell(next ?? x);
  });
}

const nearest = (line: readonly Point[], at: number): Point =>
  line.reduce((a, b) => (Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a));
