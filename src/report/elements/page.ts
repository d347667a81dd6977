import type { Task } from "../../task";
import type { Example } from "../../types";
import { escapeHtml } from "./escape";
import { createPageImages, type PageImages } from "./image";
import { style } from "./style";

/** A page under construction: the material of its sections, and the frame around them. */
export interface Page<A> {
  readonly task: Task<A>;
  readonly images: PageImages;
  example(id: string): Example<A> | undefined;
  /** The whole page, complete in itself. Call it when all sections are made: they embed the images. */
  html(title: string, sections: readonly string[]): string;
}

/** Starts a page about examples of one task. */
export function createPage<A>(task: Task<A>, dataset: readonly Example<A>[]): Page<A> {
  const examples = new Map(dataset.map((example) => [example.id, example]));
  const images = createPageImages();
  return {
    task,
    images,
    example: (id) => examples.get(id),
    html: (title, sections) =>
      [
        `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>`,
        `<meta name="viewport" content="width=device-width"><style>${style}</style></head>`,
        `<body><h1>${escapeHtml(title)}</h1>${sections.join("\n")}${images.definitions()}</body></html>\n`,
      ].join(""),
  };
}
