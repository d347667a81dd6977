/**
 * Checks for leaks in a text and for its format: pure functions, which also run in a browser.
 */
export { checkAnswerFormat, checkCotFormat } from "./format";
export { findLeaks, type LeakKind } from "./leakage";
export { formatThinkAnswer, parseThinkAnswer, type ThinkAnswer } from "./think-answer";
