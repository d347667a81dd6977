import { promptTexts, sentences } from "./template";

/**
 * Texts for `classification({ prompts })`; the compiler checks `{{question}}`, `{{form}}`, `{{labels}}`,
 * `{{annotation}}` and `{{cot}}`.
 * @example
 * classification({ labels, prompts: classificationPrompts({ cot: "{{question}} It is {{annotation}}. Why?" }) });
 */
export const classificationPrompts = promptTexts<"question" | "form" | "labels">();

/**
 * Texts for `detection({ prompts })`; the compiler checks `{{target}}`, `{{form}}`, `{{scale}}`, `{{annotation}}` and
 * `{{cot}}`.
 * @example
 * detection({ prompts: detectionPrompts({ cot: "{{target}} is at {{annotation}}. How can one tell?" }) });
 */
export const detectionPrompts = promptTexts<"target" | "form" | "scale">();

const cuesOnly = "Describe what can be seen, never the answer itself: use no numbers, probabilities or coordinates.";
const think = "Write <think>your reasoning</think><answer>{{form}}</answer>,";
const distribution = "where each p is a probability and all of them sum to 1.";
const oneClass = "where p is 1 for what it shows and 0 for everything else.";
const place = "giving {{scale}}.";

/**
 * Prompts for the paper's four data sets, as options of the task for each: `classification({ labels: emotion6Labels,
 * ...paperPrompts.emotion6 })`, `detection(paperPrompts.lisa)`.
 *
 * They are longer than a task's own prompts, which fit any data, naming the cues that matter in these images.
 * `{ ...paperPrompts.lisa, prompts: { ...paperPrompts.lisa.prompts, cot: "…{{annotation}}…" } }` replaces one
 * text.
 *
 * Source: RISE, Reasoning Generation and Annotation Reconstruction. Departure: the words are ours, not Appendix A's.
 */
export const paperPrompts = {
  /** A distribution over emotions. */
  emotion6: {
    question: "Which emotions does this image evoke in somebody who looks at it, and how strongly each of them?",
    prompts: classificationPrompts({
      cot: sentences(
        "{{question}} The answer is {{annotation}}.",
        "Explain in three to five sentences how the image leads to it, what weighs most first:",
        "faces and gestures, what is happening, the setting, light and colours, and the mood that they make.",
        cuesOnly,
      ),
      reconstruction: sentences(
        "{{question}} Somebody explained it like this: {{cot}}",
        "Going by the image and this explanation, answer only with {{form}},",
        distribution,
      ),
      answer: sentences(
        "{{question}} First reason about faces and gestures, what is happening, the setting, light and colours,",
        "and the mood that they make; then give the probability of every emotion.",
        think,
        distribution,
      ),
    }),
  },
  /** One box, around what a question is about; the question is the example's subject. */
  lisa: {
    single: true,
    prompts: detectionPrompts({
      cot: sentences(
        "A question about the image: {{target}}",
        "What answers it is at {{annotation}}, written as {{form}},",
        place,
        "Explain in three to five sentences what the question is after, what in the image fits and why,",
        "what that looks like, and where it is among the things around it, so that somebody else can find it.",
        cuesOnly,
      ),
      reconstruction: sentences(
        "A question about the image: {{target}} Somebody reasoned like this: {{cot}}",
        "Going by the image and this reasoning, find the one thing that answers the question.",
        "Answer only with {{form}},",
        place,
      ),
      answer: sentences(
        "A question about the image: {{target}}",
        "First reason about what the question is after, what in the image fits and why,",
        "and where that is among the things around it; then say where it is.",
        think,
        place,
      ),
    }),
  },
  /** One class of twenty. */
  imagenetSub: {
    question: "Which one of the things below does this photograph show?",
    prompts: classificationPrompts({
      cot: sentences(
        "{{question}} The answer is {{annotation}}.",
        "Explain in three to five sentences by what one can tell: shape, parts, material, size beside other things,",
        "what it is used for and where it is, and what sets it apart from things that look alike. Do not name it.",
        cuesOnly,
      ),
      reconstruction: sentences(
        "{{question}} Somebody described it like this: {{cot}}",
        "Going by the image and this description, answer only with {{form}},",
        oneClass,
      ),
      answer: sentences(
        "{{question}} First reason about its shape, parts, material, size beside other things, what it is used for",
        "and where it is, and what sets it apart from things that look alike; then say what it is.",
        think,
        oneClass,
      ),
    }),
  },
  /** All boxes of one category; the category is the example's subject. */
  cocoSub: {
    prompts: detectionPrompts({
      cot: sentences(
        "Find every {{target}} in the image. The correct answer is {{annotation}}, written as {{form}},",
        place,
        "Describe each of them in a sentence or two, so that somebody else finds them all and takes nothing else for one:",
        "what it looks like, which part of the image it takes up, and what it is beside, behind or in front of.",
        cuesOnly,
      ),
      reconstruction: sentences(
        "Find every {{target}} in the image. Somebody described them like this: {{cot}}",
        "Going by the image and this description, answer only with {{form}}, a box for each of them,",
        place,
      ),
      answer: sentences(
        "Find every {{target}} in the image. First describe each of them: what it looks like, which part of the image",
        "it takes up, and what it is beside, behind or in front of; then say where all of them are.",
        think,
        "a box for each of them,",
        place,
      ),
    }),
  },
} as const;
