/** Lets every image be enlarged, by pointer and by keyboard, also those that come later. */
export function startPictures(): void {
  const dialog = document.createElement("dialog");
  const close = document.createElement("button");
  const place = document.createElement("div");
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.setAttribute("aria-label", "Enlarged image");
  dialog.append(close, place);
  document.body.append(dialog);
  const enlarge = (event: Event) => {
    const picture = event.target instanceof Element ? event.target.closest("main svg.picture") : null;
    if (!picture) return;
    event.preventDefault();
    const larger = picture.cloneNode(true) as SVGElement;
    larger.removeAttribute("tabindex");
    larger.setAttribute("role", "img");
    place.replaceChildren(larger);
    dialog.showModal();
  };
  document.addEventListener("click", enlarge);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") enlarge(event);
  });
  const main = document.querySelector("main")!;
  new MutationObserver((changes) => {
    for (const node of changes.flatMap(({ addedNodes }) => [...addedNodes])) if (node instanceof Element) mark(node);
  }).observe(main, { childList: true, subtree: true });
  mark(main);
}

function mark(root: Element): void {
  for (const picture of root.querySelectorAll("svg.picture:not([tabindex])")) {
    picture.setAttribute("tabindex", "0");
    picture.setAttribute("role", "button");
    picture.setAttribute("aria-label", `enlarge ${picture.getAttribute("aria-label")}`);
  }
}
