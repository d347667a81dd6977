import { createHash } from "node:crypto";
import type { ImageSource } from "../../types";
import { clientScript } from "./client-script";
import { type Presenter, shownBy, withIou } from "./drawing";
import { escapeHtml } from "./escape";
import { createPageImages, type PageImages } from "./image";
import { type PageData, scriptJson } from "./page-data";
import type { Shown, ShownExample } from "./shapes";
import { style } from "./style";
import { beginning, inline } from "./text";

/** An example as far as it is known: a run's directory has no images that were in memory. */
export interface PageExample<A> {
  readonly id: string;
  readonly image?: ImageSource | undefined;
  readonly annotation?: A | undefined;
  readonly subject?: string | undefined;
}

/** A page under construction: the material of its sections, and the frame around them. */
export interface Page<A> {
  readonly task: Presenter<A>;
  readonly images: PageImages;
  /** The example of an id, its image embedded, as far as the page knows it. */
  shown(id: string): Promise<ShownExample>;
  /** A prediction for an example; `undefined` if it is missing. */
  predicted(example: ShownExample, prediction: A | null | undefined): Shown | undefined;
  /**
   * The whole page, complete in itself. Call it when all sections are made: they embed the images.
   * @param options.data brings the page's script, which reads it
   * @param options.refreshSeconds lets a browser read the page again after so long
   */
  html(title: string, sections: readonly string[], options?: FrameOptions): Promise<string>;
}

export interface FrameOptions {
  readonly data?: PageData;
  readonly refreshSeconds?: number;
}

/**
 * Starts a page about examples of one task.
 * @param images those of another page, for sections about other examples of the same ids
 */
export function createPage<A>(
  task: Presenter<A>,
  examples: Iterable<PageExample<A>>,
  images: PageImages = createPageImages(),
): Page<A> {
  const known = new Map([...examples].map((example) => [example.id, example]));
  const shownExamples = new Map<string, Promise<ShownExample>>();
  const show = async (id: string): Promise<ShownExample> => {
    const { subject, annotation, image: source } = known.get(id) ?? {};
    const image = source === undefined ? "the page was made without it; pass the dataset" : await images.embed(source);
    const size = typeof image === "string" ? undefined : image;
    const truth = annotation === undefined ? undefined : shownBy(task, annotation, size);
    return {
      id: beginning(id),
      ...(subject !== undefined && { subject: beginning(subject) }),
      image,
      ...(truth && { truth }),
    };
  };
  return {
    task,
    images,
    shown(id) {
      const shown = shownExamples.get(id) ?? show(id);
      shownExamples.set(id, shown);
      return shown;
    },
    predicted({ image, truth }, prediction) {
      if (prediction === null || prediction === undefined) return undefined;
      return withIou(shownBy(task, prediction, typeof image === "string" ? undefined : image), truth);
    },
    async html(title, sections, { data, refreshSeconds } = {}) {
      const { body, contents } = withContents(sections);
      const script = data && `<script type="application/json" id="data">${scriptJson(data)}</script>`;
      return [
        `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title.slice(0, 300))}</title>`,
        `<meta http-equiv="Content-Security-Policy" content="${policy(data && clientScript)}">`,
        refreshSeconds === undefined ? "" : `<meta http-equiv="refresh" content="${refreshSeconds}">`,
        `<meta name="viewport" content="width=device-width"><style>${style}</style></head>`,
        `<body><header><h1>${inline(title)}</h1>${contents}</header><main>${body}</main>`,
        `${await images.definitions()}${script ? `${script}<script>${clientScript}</script>` : ""}</body></html>\n`,
      ].join("");
    },
  };
}

/** Lets nothing in but what the page itself holds: this style, this script, and images as data. */
function policy(script: string | undefined): string {
  const only = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const scripts = script === undefined ? "" : `; script-src ${only(script)}`;
  return `default-src 'none'; img-src data:; style-src ${only(style)}${scripts}; base-uri 'none'; form-action 'none'`;
}

/** Gives every section an id, and lists them if there are several. */
function withContents(sections: readonly string[]): { readonly body: string; readonly contents: string } {
  const entries: string[] = [];
  const body = sections.join("\n").replace(/<section( hidden)?><h2>(.*?)<\/h2>/gs, (_, hidden = "", title) => {
    const id = `section-${entries.length + 1}`;
    entries.push(`<li${hidden}><a href="#${id}">${title}</a></li>`);
    return `<section${hidden} id="${id}"><h2>${title}</h2>`;
  });
  const list = `<nav aria-label="Contents"><ol>${entries.join("")}</ol></nav>`;
  return { body, contents: entries.length > 2 ? list : "" };
}
