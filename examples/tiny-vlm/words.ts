/** Words that stand for labels in practice, always with numbers that mean nothing: the model learns to copy a prompt's labels into its answer. */
export const practiceWords: readonly string[] = (
  "negative neutral positive round square tall short wide narrow bright dark warm cold soft hard loud quiet fast slow heavy light new old " +
  "clean dirty open closed full empty rich poor sweet sour salty bitter early late near far high low deep shallow thick thin strong weak " +
  "wet dry sharp dull smooth rough simple complex common rare public private local global winter summer spring autumn morning evening noon " +
  "night north south east west city village forest river ocean desert island valley metal wood glass paper stone cotton plastic gold silver " +
  "copper music sport science history travel cooking reading writing painting dancing singing walking running sleeping working resting " +
  "teacher doctor farmer driver artist singer child adult family friend neighbor stranger king queen hero villain past present future true " +
  "false likely unlikely certain possible real fake alpha beta gamma delta first second third fourth upper lower inner outer major minor " +
  "formal casual modern classic urban rural active passive serious playful busy idle plain fancy calm lively"
).split(" ");

export const practiceQuestions: readonly string[] = [
  "Which labels fit this image?",
  "What is this picture about?",
  "How would you sort this image?",
  "Which of these goes with the picture?",
  "How do people judge this image?",
  "What would you call this picture?",
  "What is the share of each label?",
  "How much of each label is there?",
  "What do people think of when they see this image?",
  "Where does this image belong?",
];
