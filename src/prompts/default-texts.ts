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

/** The prompts of stage 2 and of inference: they ask for cot and annotation from the image alone. */
export const answerTexts = {
  /** `{{question}}`, `{{form}}`; may use `{{labels}}`. */
  classification:
    "{{question}} First describe what can be seen that leads to your answer, then give the probability of every label. Write " +
    "<think>your reasoning</think><answer>{{form}}</answer>, where each p is a probability and all of them sum to 1.",
  /** `{{target}}`, `{{form}}`, `{{scale}}`. */
  detection:
    "Find in the image: {{target}}. First describe what it looks like and where it is among its surroundings, then answer. " +
    "Write <think>your reasoning</think><answer>{{form}}</answer>: {{scale}}.",
} as const;
