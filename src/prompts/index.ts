/** The prompts of the paper, and templates for your own. */
export { classificationPrompts, detectionPrompts, paperPrompts } from "./paper";
export { imagePrompt, type PromptTexts } from "./template";
