import { determiners } from "./lexicon";
import {
  any,
  atStart,
  bare,
  before,
  hyphen,
  largeNumber,
  largeOrdinal,
  leaks,
  maybe,
  not,
  number,
  ordinal,
  type Rule,
  seq,
  token,
  wordSet,
} from "./rule";

const beforePoint = wordSet(
  "is at of to about around roughly nearly almost approximately over under equals = : , . ; ( - – — with and",
);
const pointArticles = wordSet("a an one some which what focal vantage");
const eastAsianShare = /[一二两三四五六七八九十百半几数](?:成(?![不一年人立功员长])|割|パーセント|个?百分点)/;
const eastAsianFraction =
  /分之|[一二三四五六七八九十百]分の[一二三四五六七八九十]|[零〇]点[零〇一二三四五六七八九](?![十分点])/;

const digits = (form: RegExp) => token(({ kind, text }) => kind === "number" && form.test(text));

/** The places behind a point: "eight", "oh eight". */
const places = seq(maybe("oh", hyphen), number);

/** Rules for numbers by their form, whatever they mean. */
export const numberRules: readonly Rule[] = [
  ...leaks("scientific", digits(/e/)),
  ...leaks("fraction", digits(/^\p{No}+$/u)),
  ...leaks("digits", digits(/^\p{N}{1,3}(?:,\p{N}{3})+$/u)),
  ...leaks(
    "decimal",
    digits(/[.,．٫]/),
    // "zero point eight", "zero-point-eight", "zero comma eight", "oh point oh five"
    seq(any(number, "oh"), hyphen, "point comma dot", hyphen, places),
    // "is point eight"; not "at this point one child laughs"
    seq(
      "point",
      hyphen,
      places,
      any(atStart, seq(any(bare, before(beforePoint)), not(before(determiners)), not(before(pointArticles)))),
    ),
  ),
  ...leaks("digits", digits(/./)),
  // "the hundredth pixel", "the ninetieth percentile", "the fortieth row"; not "the third row"
  ...leaks("coordinates", seq(ordinal, "pixel"), seq(largeOrdinal, "row column line unit")),
  ...leaks("percent", seq(ordinal, "percentile")),
  ...leaks("fraction", seq(largeOrdinal, "part")),
  // "eighty", "one hundred and twenty"; not "forty-second street"
  ...leaks("number-word", seq(not(ordinal), largeNumber)),
  // "百分之六十", "三分之一", "三分の一", "六成", "六割", "六十パーセント", "零点六": shares in Chinese and Japanese, whose
  // sentences are one token; not "一成不变", nor the time "零点五十分"
  ...leaks(
    "fraction",
    token(({ text }) => eastAsianShare.test(text) || eastAsianFraction.test(text)),
  ),
];
