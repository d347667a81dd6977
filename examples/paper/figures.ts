/**
 * The paper's own figures, as far as its text has them (arXiv 2508.13229v3). Table 1 stands there in full; of Table 6 only the shares that
 * τ = 0.75 keeps are said ("includes 41% and 66% of samples"). Tables 2 to 5 are missing from the text that was at hand: nothing is filled in.
 *
 * Table → row → "role measure shots" → figure; shares and win rates as fractions.
 */
export const paperFigures: Readonly<Record<number, Readonly<Record<string, Readonly<Record<string, number>>>>>> = {
  1: {
    "Base model": { "emotion6 jsd full": 0.47, "emotion6 winRate full": 0.0067, "lisa ap50 full": 0.102 },
    "GPT-4o": { "emotion6 jsd full": 0.106, "emotion6 winRate full": 0.3401, "lisa ap50 full": 0.002 },
    "SFT (answers only)": {
      ...{ "emotion6 jsd 4": 0.22, "emotion6 jsd 16": 0.308, "emotion6 jsd full": 0.112 },
      ...{ "emotion6 winRate 4": 0.0623, "emotion6 winRate 16": 0.032, "emotion6 winRate full": 0.3114 },
      ...{ "lisa ap50 4": 0.2, "lisa ap50 16": 0.204, "lisa ap50 full": 0.367 },
    },
    "Visual-RFT": {
      ...{ "emotion6 jsd 4": 0.191, "emotion6 jsd 16": 0.222, "emotion6 jsd full": 0.126 },
      ...{ "emotion6 winRate 4": 0.1667, "emotion6 winRate 16": 0.1212, "emotion6 winRate full": 0.1633 },
      ...{ "lisa ap50 4": 0.13, "lisa ap50 16": 0.246, "lisa ap50 full": 0.395 },
    },
    RISE: {
      ...{ "emotion6 jsd 4": 0.168, "emotion6 jsd 16": 0.133, "emotion6 jsd full": 0.071 },
      ...{ "lisa ap50 4": 0.195, "lisa ap50 16": 0.271, "lisa ap50 full": 0.404 },
    },
  },
  6: { "τ = 0.75": { "emotion6 kept full": 0.41, "lisa kept full": 0.66 } },
};
