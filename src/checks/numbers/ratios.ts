import { determiners, matches, moods, people, pictures, probabilityWords, sharedNouns, weighing } from "./lexicon";
import { readSpelledNumber } from "./number-words";
import {
  ahead,
  any,
  anyOf,
  around,
  aWord,
  bare,
  before,
  digits,
  far,
  hyphen,
  isOneOf,
  leaks,
  maybe,
  near,
  next,
  not,
  number,
  opens,
  ordinal,
  quantity,
  type Rule,
  type Step,
  seq,
  skip,
  some,
  starts,
  token,
  wordSet,
} from "./rule";

const percentWords = wordSet("% ％ ‰ percent pct percentage permille promille");
const whose = wordSet("his her their my our");
const roundNumbers = wordSet("ten hundred thousand 10 100 1000");
const everyWords = wordSet("a every each");
const theWords = wordSet("the our these those all");
const ranks = wordSet("number rank place");
const candidates = wordSet(
  "options option emotions moods feelings classes labels categories candidates reactions choices possibilities",
);
const portions = anyOf(people, wordSet("part parts chance chances case cases time times"));
const bets = wordSet("that in against on for over between would might could may will chance split margin ratio odds");
const against = seq("to against versus vs over :", hyphen);

const perCent = seq("per", hyphen, "cent mille thousand");
const outOf = seq("out", hyphen, "of", hyphen);
/** "eight", "eight times", "eight-" */
const share = seq(quantity, maybe(portions), hyphen);
/** "third", "number three" */
const ranked = any(seq(before(ranks), number), seq(not(before(ranks)), ordinal));
/** "three parts" before the thing that has the parts */
const parts = seq(
  number,
  "part parts",
  next(not("of is are was were and or in on that which with lie lies to from"), aWord),
);

const strengths = wordSet(
  "strong stronger strongly likely likelier probable intense intensely much powerful weight likelihood probability chance chances share strength intensity pronounced prominent heavily plausible convincing dominant noticeable evident obvious salient",
);
const timesWords = wordSet("time times");
const comparisons = wordSet("more less");
const sizes = wordSet(
  "tall taller big bigger large larger wide wider high higher long longer deep deeper thick thicker old older size height width length",
);

/** "nine times", "two time" more, "one and a half times", "twice" */
const times = any(
  "twice thrice double triple treble quadruple quintuple twofold threefold fourfold fivefold tenfold",
  seq(
    number,
    maybe(hyphen, "and", hyphen, "a", hyphen, "half"),
    any("times", seq(not(starts("one")), "time", next(comparisons))),
  ),
);
const multiple = any(times, seq("half", next("as")));

/** "… as likely", "… stronger than"; not "… as tall" */
const asStrong: Step = (tokens, at) => {
  const isTimes = isOneOf(tokens[at - 1], timesWords);
  for (let i = at; i < at + 4 && tokens[i]?.kind === "word" && !isOneOf(tokens[i], sizes); i++) {
    const isMore = isTimes && (isOneOf(tokens[i], comparisons) || tokens[i + 1]?.text === "than");
    if (isMore || isOneOf(tokens[i], strengths)) return i + 1;
  }
  return null;
};

/** "threefold" */
const fold = token(({ kind, text, ...place }) => {
  const [, counted] = /^(.+)fold$/.exec(text) ?? [];
  return kind === "word" && counted !== undefined && readSpelledNumber([{ ...place, kind, text: counted }], 0) !== null;
});

/** Rules for shares, strengths and multiples: one number beside another. */
export const ratioRules: readonly Rule[] = [
  ...leaks(
    "percent",
    // "80 %", "eighty-five percent", "ten per cent", "two permille", "a few percent"; not "a percent sign"
    seq(
      any(seq(quantity, hyphen, any(perCent, percentWords)), perCent, "percent"),
      not("sign signs symbol symbols key"),
    ),
    // "a likelihood in the high nineties"; not "a woman in her nineties"
    seq(
      "twenties thirties forties fifties sixties seventies eighties nineties",
      not(ahead(-4, -2, whose)),
      near(probabilityWords, percentWords),
    ),
  ),
  ...leaks(
    "ratio",
    // "out of ten viewers", "every third viewer", "eight for every ten"
    seq(outOf, skip(everyWords), roundNumbers),
    seq(everyWords, ordinal, next(people)),
    seq(quantity, before("for", everyWords)),
    seq(
      share,
      any(
        // "eight out of ten", "an eight-out-of-ten", "8/10", "four of every five", "eight of ten"; not "one of ten"
        seq(outOf, skip(everyWords), quantity),
        seq("/", digits),
        seq("of", some(everyWords), quantity),
        seq("of", roundNumbers, not(starts("one"))),
        // "four viewers to each one"
        seq("to", "every each", number),
        // "three parts in four", "one in five viewers", "eight viewers per ten"; not "two in three rows", "two in one",
        // "one in a million"
        seq(
          "in per",
          hyphen,
          maybe(everyWords),
          any(roundNumbers, seq(not("one million"), number, any(next(people), next(bets), next(determiners), bare))),
        ),
      ),
    ),
    // "of the ten annotators, seven"; not "of the ten people, two", who may be in the picture
    seq(
      "of among from",
      skip(theWords),
      number,
      "viewers observers annotators raters respondents readers judges voters",
      maybe(","),
      number,
    ),
    // "fifth of the seven options", "hope ranks first out of eight", "fear is number eight of eight"; not
    // "third out of nine runners", "the third of five sisters"
    seq(ranked, maybe(ranks), any(outOf, "of"), skip(theWords), number, next(candidates)),
    seq(
      any(seq(ranked, maybe(ranks), outOf), seq(ranked, ranks, "of"), seq(before(ranks), number, "of")),
      skip(theWords),
      number,
      any(bare, next("in among")),
      near(moods, candidates),
    ),
    seq(
      number,
      any(
        // "for each viewer who frowns, four would smile"
        seq(before(","), around(-10, -4, "for", everyWords, people), any(bare, next(people), next(bets))),
        // "four to one that …", "ten to one, they laugh", "one over four of", "outweighs it two to one"; not
        // "ten to eight", "from one to three"
        seq(
          not(before("from")),
          hyphen,
          any(
            seq(against, next("one"), number, next(bets)),
            seq("to", hyphen, next("one"), number, opens, next(",")),
            seq("over", hyphen, number, next("of")),
            seq(against, number, any(bare, next(bets)), any(before("by"), near(weighing))),
          ),
          far(matches),
        ),
      ),
    ),
  ),
  // "double the boredom"
  ...leaks("ratio", seq(multiple, "the", moods)),
  // "half as wide as the picture"
  ...leaks("coordinates", seq(multiple, "as", sizes, "as", "the", pictures)),
  ...leaks(
    "ratio",
    // "twice as likely", "nine times stronger", "half as strong"; not "twice as tall", "three times the size"
    seq(multiple, asStrong),
    // "half that … hope"; not "half that … boat"
    seq(any(times, "half"), "that", "of", next(skip("a an the"), moods)),
    // "hope counts double", "hope is twice dread"
    seq(
      times,
      any(
        seq(
          before("count counts counted weigh weighs weighed"),
          any(bare, next("compared relative as than against")),
          near(moods),
        ),
        seq(before("is was be feels seems"), next(moods)),
      ),
    ),
    // "outweighs it threefold", "a ten-fold lead of hope"; not "a threefold amen"
    seq(any(fold, seq(number, hyphen, "fold")), near(moods, sharedNouns, strengths, weighing)),
    // "by a factor of three"
    seq(number, before("factor", "of")),
  ),
  // "three parts awe and one part dread"; not "in three parts"
  ...leaks("ratio", seq(parts, ahead(1, 6, parts))),
];
