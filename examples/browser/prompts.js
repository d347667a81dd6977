/** The prompts that the demo trains its model with, word for word: what a model learned is what it can be asked. */
export const prompts = {
  moods:
    "Which mood? negative, neutral, positive. Think first.",
  detection:
    "Find: deep orange edible root. Think first.",
};
