import { namedByNumber } from "./idioms";
import { determiners, hours, matches, moods, probabilityWords, qualities, ratedNouns, sharedNouns } from "./lexicon";
import { readSpelledNumber } from "./number-words";
import {
  after,
  ahead,
  any,
  anyOf,
  anyToken,
  around,
  bare,
  before,
  far,
  hedges,
  isOneOf,
  last,
  leaks,
  linked,
  linkedBy,
  maybe,
  near,
  next,
  not,
  number,
  precededBy,
  type Rule,
  seq,
  skip,
  some,
  starts,
  token,
  wordSet,
} from "./rule";

const aged = wordSet("he she who boy girl son daughter child brother sister twins");
const articles = wordSet("a an");
const strengths = wordSet("solid strong perfect clear low high good weak full firm mere moderate mild severe medium");
const displays = wordSet(
  "roll rolls rolled throw throws threw draw draws drew wear wears wearing show shows showing paint",
);
const copulas = wordSet("is was be it's that's as");
const leads = wordSet("ahead behind above below clear apart over more less higher lower");
const connectives = wordSet(
  "of is at as a an = : about around roughly nearly almost approximately equal equals to near over under being from between was are approaches approaching nears",
);
const links = wordSet(
  "approaches approaching nears is was be at of to as near worth = : equals reaches reached hits hit stands hovers hovering sits sitting between from a an",
);
const scales = wordSet("scale");
const grading = wordSet("graded rated scored marked measured");
const dials = wordSet("dial slider needle gauge meter knob");
const toWhom = wordSet("it it's this to in out that from would");
const ratings = wordSet("rate rates rated rating assign assigns assigned assigning deserve deserves merits");
const gifts = wordSet(
  "give gives given gave giving earn earns receive receives get gets score scores scored award awards",
);
const gradedNouns = anyOf(moods, sharedNouns, ratedNouns, qualities);
const subjects = anyOf(gradedNouns, wordSet("reading it"));
const toMood = wordSet("for to on of parts points go goes belong");
const predicates = wordSet(
  "is was be are at of to as near = : , ( - – — → ⇒ ~ ≈ | would should could might may has holds carries gets takes reaches scores a an some sits stands hovers by with equals drops falls rises climbs comes ends lies here there factor level rating score reading",
);
const verdicts = wordSet(
  "put puts putting place places placed placing peg pegs pegged judge judged estimate estimated mark marked call calling say guess reckon go rank ranks set comes sits lands",
);
const marks = wordSet("point points star stars mark marks");
const equals = wordSet(": = - – — ( → ⇒ ~ ≈ |");
const noNames = wordSet(
  "men women people children the this that these those all both his her their its our other last first next only just about around aged number are was were has have had and but for with from into like than then there here out off over under between least most say them him you when where which who beside near behind before across along against upon onto within through above below towards",
);

/** The number counts nothing: "nine, …", "nine in all". */
const whole = any(bare, next(toWhom));

/** Rules for numbers that are called scores. */
export const scoreRules: readonly Rule[] = [
  ...leaks(
    "ratio",
    // "a ten-point scale", "a scale from one to ten", "graded from one to ten"
    seq(
      number,
      any(seq("-", "point"), seq(before(anyOf(scales, grading), "of from to between"), maybe("to and", number))),
    ),
  ),
  ...leaks(
    "probability",
    // "zero chance", "probability of one", "confidence is about half"
    seq(starts("zero nought naught"), number, "probability likelihood chance chances weight confidence certainty"),
    seq(any(number, "half"), whole, precededBy(probabilityWords, connectives, 4), far(matches)),
  ),
];

/** "At nine the shop opens", "the home team leads at two", "she is nine". */
const event = any(linkedBy(aged, anyToken), near(hours, matches));
/** "the sarcasm dial to nine"; not "the dial reads nine" */
const onDial = around(-7, -2, anyOf(moods, qualities), dials);

/** "is an eight", "a strong eight for warmth"; not "rolls a six", "wears a nine" */
const graded = seq(
  not(last(marks)),
  any(
    before(copulas, articles),
    before(copulas, articles, strengths),
    seq(
      any(before(articles), before(articles, strengths)),
      not(any(before(displays, articles), before(displays, articles, strengths))),
      near(subjects),
    ),
  ),
);
/** "rates the dread seven", "gives it seven stars for calm"; not "gives him the seven" */
const given = seq(
  not(before(determiners)),
  any(after(ratings), seq(after(gifts), any(seq(last(marks), next("for")), near(subjects)))),
);
/** "put the gloom at six" */
const put = seq(linkedBy("at as near it a an to"), after(verdicts), near(subjects));

/** The number after a verb ("carries", "counts") may count things. */
const name = token(
  (found) =>
    found.kind === "word" &&
    found.text.length > 2 &&
    !/[^s]s$/.test(found.text) &&
    !isOneOf(found, noNames) &&
    readSpelledNumber([found], 0) === null,
);
/** A bare number after a name: "warmth nine", "warmth: nine" */
const entry = seq(
  number,
  bare,
  not(before(namedByNumber)),
  any(before(name, equals), seq(not(before(equals)), before(name))),
);

/** Rules for small numbers that are scores because of the words around them. */
export const verdictRules: readonly Rule[] = leaks(
  "probability",
  seq(
    number,
    any(
      // "the weight on rain is zero", "intensity four of five", "hovers around six on the scale", "the sarcasm dial to
      // nine", "the menace is low, perhaps two", "pain at level eight"; not "the score is two pages long",
      // "on level eight"
      seq(
        maybe("of", number),
        whole,
        any(
          seq(linked(links, gradedNouns), not(event)),
          seq(linkedBy(links), any(near(scales), onDial)),
          seq(linkedBy(strengths, ", ("), near(gradedNouns)),
          seq(before("at to reaches reached hits", "level grade degree"), near(moods, qualities, sharedNouns)),
          before("intensity score rating confidence weight likelihood probability"),
        ),
      ),
      // "nine for joy", "dread would be two", "warmth (about eight)"; not "one for joy"
      seq(not(starts("one")), next(some(toMood), skip("the its his her their a plain sheer pure"), moods)),
      seq(bare, precededBy(moods, anyOf(hedges, predicates), 6)),
      // "hope leads by two points", "ten points ahead" of dread; not "two points of light"
      seq("point points", any(bare, next(leads)), near(moods), far(matches)),
      // "rates the dread seven", "gives it a seven", "call it a strong eight", "put the gloom at six"; not "give her
      // one", "a one"
      seq(maybe(marks), whole, any(seq(not(starts("one")), any(graded, given)), put), far(matches)),
    ),
  ),
  // "warmth nine, unrest one", "hope: six; fear: four"; not "one red, one blue", "the first two, the other three"
  seq(entry, any(ahead(1, 7, entry), around(-8, -2, entry))),
);
