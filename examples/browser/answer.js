const element = (id) => document.getElementById(id);

/** Shows what a model has written so far: its reasons, and its annotation as bars, boxes, or text. */
export function drawAnswer(text) {
  const [, reasons = text] = /<think>([\s\S]*?)(?:<\/think>|$)/.exec(text) ?? [];
  const [, answer = ""] = /<answer>([\s\S]*?)(?:<\/answer>|$)/.exec(text) ?? [];
  const bars = [...answer.matchAll(/['"]([^'"]+)['"]\s*:\s*(\d*\.?\d+)/g)];
  const numbers = "\\s*(\\d+(?:\\.\\d+)?)\\s*";
  const boxes = [...answer.matchAll(new RegExp(`\\[${numbers},${numbers},${numbers},${numbers}\\]`, "g"))];
  element("reasons").textContent = reasons;
  element("answer").textContent = answer;
  element("bars").replaceChildren(...bars.flatMap(([, label, share]) => barOf(label, Number(share))));
  element("boxes").replaceChildren(...boxes.map(([, ...sides]) => boxOf(sides.map(Number))));
}

function barOf(label, share) {
  const meter = Object.assign(document.createElement("meter"), { value: share, max: 1 });
  meter.setAttribute("aria-label", label);
  const cells = ["dt", "dd", "dd"].map((name) => document.createElement(name));
  cells[0].textContent = label;
  cells[1].append(meter);
  cells[2].textContent = share.toFixed(2);
  return cells;
}

/** A box in thousandths of the image, as Qwen2-VL writes it. */
function boxOf([x, y, width, height]) {
  const rect = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({ x, y, width, height })) rect.setAttribute(name, value);
  return rect;
}
