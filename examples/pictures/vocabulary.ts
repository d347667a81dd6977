import { createRequire } from "node:module";
import { drawingFile, styles } from "./art";
import objects from "./objects.json" with { type: "json" };

/** Something that can be drawn. */
export interface Emoji {
  /** Code points in hexadecimal, joined by "-": the file name of its drawings. */
  readonly code: string;
  readonly name: string;
  /** face, heart, animal, food, plant, person, hand, sky, thing or sign. */
  readonly kind: string;
}

/** An object with a description that does not name it: WordNet's gloss made short and visible. */
export interface SceneObject extends Emoji {
  readonly gloss: string;
}

export const sceneObjects: readonly SceneObject[] = objects;

const packages = createRequire(import.meta.url);
const unicode = packages("unicode-emoji-json/data-by-emoji.json") as Record<string, { name: string; group: string }>;

/** Every emoji that Unicode names and both sets draw, by code. */
export const emojiByCode: ReadonlyMap<string, Emoji> = new Map(
  Object.entries(unicode)
    .map(([character, { name, group }]) => {
      const code = [...character]
        .map((c) => c.codePointAt(0)!.toString(16))
        .filter((c) => c !== "fe0f")
        .join("-");
      return { code, name: plainName(name), kind: kindOf(name, group) };
    })
    .filter(({ code }) => styles.every((style) => drawingFile(code, style)))
    .map((emoji) => [emoji.code, emoji]),
);

/** Lower-case words, no digits, no hyphens: what a caption says. */
function plainName(name: string): string {
  const short: Record<string, string> = {
    "globe showing Europe-Africa": "globe",
    "backhand index pointing right": "hand pointing right",
    "backhand index pointing down": "hand pointing down",
    "backhand index pointing up": "hand pointing up",
    "check box with check": "check box",
    "black small square": "black square",
    "front-facing baby chick": "baby chick",
    "face with steam from nose": "huffing face",
  };
  return (short[name] ?? name).toLowerCase().replaceAll("-", " ").replaceAll("’", "");
}

function kindOf(name: string, group: string): string {
  if (/heart/.test(name) && !/face|cat/.test(name)) return "heart";
  if (/hand|thumb|fist|finger|index|biceps|palms/.test(name) && group === "People & Body") return "hand";
  if (/flower|rose|tulip|blossom|bouquet|leaf|herb|clover|tree|cactus|seedling|hibiscus/.test(name)) return "plant";
  if (group === "Smileys & Emotion") return /face|cat|monkey|skull|ghost|poo|alien/.test(name) ? "face" : "sign";
  if (group === "People & Body") return "person";
  if (group === "Animals & Nature") return "animal";
  if (group === "Food & Drink") return "food";
  if (/moon|sun|star|cloud|rain|snow|fire|cyclone|globe|night|rainbow|wave/.test(name)) return "sky";
  return group === "Symbols" ? "sign" : "thing";
}
