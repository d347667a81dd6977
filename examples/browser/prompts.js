/** The prompts that the demo trains its model with, word for word: what a model learned is what it can be asked. */
export const prompts = {
  moods:
    "Which mood do people connect with this image? First describe what can be seen that leads to your answer, then give the probability of every label. Write <think>your reasoning</think><answer>{'negative': p, 'neutral': p, 'positive': p}</answer>, where each p is a probability and all of them sum to 1.",
  detection:
    "Find in the image: deep orange edible root. First describe what it looks like and where it is among its surroundings, then answer. Write <think>your reasoning</think><answer>[x, y, w, h]</answer>: top-left corner, width and height, each from 0 to 1000 across the image.",
};
