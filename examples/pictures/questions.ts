import { classificationPrompts, detectionPrompts } from "rise-ts/prompts";

export const moodLabels = ["negative", "neutral", "positive"] as const;

/** The tiny model's question about moods: short prompts halve the time of every stage. */
export const moodQuestion = {
  labels: moodLabels,
  name: "moods",
  question: "Which mood?",
  prompts: classificationPrompts({
    cot: "{{question}} It is {{annotation}}. Why?",
    reconstruction: "{{question}} {{labels}}. {{cot}}",
    answer: "{{question}} {{labels}}. Think first.",
  }),
};

/** Its question about the place of a thing. */
export const placeQuestion = {
  single: true,
  name: "scenes",
  prompts: detectionPrompts({
    cot: "Find: {{target}}. It is at {{annotation}}. Which is it?",
    reconstruction: "Find: {{target}}. {{cot}}",
    answer: "Find: {{target}}. Think first.",
  }),
};
