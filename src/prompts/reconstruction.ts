/** The prompts of stage 1, step 2: they ask for the annotation from image and cot, without A, π(Â | I, R). */
export const reconstructionTexts = {
  /** `{{question}}`, `{{cot}}`, `{{form}}`; may use `{{labels}}`. */
  classification:
    "{{question}} Somebody described the image like this: {{cot}} Going by the image and this description, give the " +
    "probability of every label. Answer only with {{form}}, where each p is a probability and all of them sum to 1.",
  /** `{{target}}`, `{{cot}}`, `{{form}}`, `{{scale}}`. */
  detection:
    "Find in the image: {{target}}. Somebody described it like this: {{cot}} Going by the image and this description, " +
    "answer only with {{form}}: {{scale}}.",
} as const;
