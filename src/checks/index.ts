/**
 * What a text gives away, and whether it has the form that was asked for: pure functions, which run in a browser, too.
 */
export { checkAnswerFormat, checkCotFormat } from "./format";
export { findLeaks, type LeakKind } from "./leakage";
export { formatThinkAnswer, parseThinkAnswer, type ThinkAnswer } from "./think-answer";
