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
