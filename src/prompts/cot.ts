/**
 * The prompts of stage 1, step 1: they ask to justify the annotation without giving it away, π(R | I, A).
 * They are short, so that they also suit a model with a hundred tokens of context.
 */
export const cotTexts = {
  /** `{{question}}`, `{{annotation}}`; may use `{{labels}}`, `{{form}}`. */
  classification:
    "{{question}} The correct answer is {{annotation}}. In two or three sentences, describe what can be seen in the image " +
    "that leads to this answer. Do not state the answer; use no numbers, probabilities or coordinates.",
  /** `{{target}}`, `{{annotation}}`, `{{form}}`, `{{scale}}`. */
  detection:
    "Find in the image: {{target}}. The correct answer is {{annotation}}, written as {{form}}: {{scale}}. In two or three " +
    "sentences, describe what it looks like and where it is among its surroundings, so that somebody else can find it. " +
    "Use no numbers, probabilities or coordinates.",
} as const;
