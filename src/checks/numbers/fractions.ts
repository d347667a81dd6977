import { fromSide } from "./idioms";
import { extents, moods, pictures, probabilityWords, sharedNouns, shareVerbs } from "./lexicon";
import { isPluralDenominator, isUnitFraction } from "./number-words";
import {
  after,
  ahead,
  any,
  anyOf,
  anyToken,
  atMost,
  bare,
  before,
  hyphen,
  isOneOf,
  last,
  leaks,
  linked,
  linkedBy,
  near,
  next,
  not,
  number,
  type Rule,
  type Step,
  seq,
  skip,
  some,
  starts,
  token,
  wordSet,
} from "./rule";

const articles = wordSet("a an");
const wholes = anyOf(sharedNouns, moods, wordSet("total whole sum picture image frame"));
const markers = wordSet("mark line point");
const quantifiers = wordSet(
  "about around nearly almost roughly over under exceed exceeds exceeding reach reaches than most least best barely fully exactly perhaps good",
);
const others = wordSet("another second others two");
const receivers = wordSet("to for goes go is belongs comes of each apiece");
const partitives = wordSet("of the this that its my our all what it them i we");
const strengths = anyOf(sharedNouns, wordSet("strength intensity weight"));
const regions = wordSet("left right upper lower top bottom first second front back other near far each either");
const fills = wordSet(
  "fills covers takes occupies spans fill cover occupy than over about nearly almost roughly least most",
);
const mixes = wordSet("is are feels , and seems");

const comparatives = wordSet(
  "stronger weaker more less higher lower greater smaller larger heavier lighter outweighs exceeds leads",
);
const ordinalStarts = wordSet("twenty thirty forty fifty sixty seventy eighty ninety hundred thousand");
const divisions = wordSet(
  "split splits splitting divide divides divided dividing share shares shared distribute distributed",
);

/** "third", "quarter" */
const unit = token(isUnitFraction);
/** "thirds", "quarters" */
const units = token(isPluralDenominator);

/** "… of an hour", "… past six", "… to nine" */
const ofTime = next(
  any(
    "past before after mile note notes",
    seq("to", any(number, "the")),
    seq(
      "of",
      skip(articles),
      "hour hours minute minutes second seconds day year century decade mile kilometre kilometer",
    ),
  ),
);
const posed = next(hyphen, "view profile length angle portrait turn turned pose sleeve sleeves face");
/** "… to a half of", "… or a third" */
const range = next("to or", articles, any("half", unit), any(next("of"), bare));
/** "… full of sand", "… gone" */
const filled = next("full empty gone done finished", any(bare, "of"));

/** "…, a third tired": a word after this third and another third */
const repeated: Step = (tokens, at) => {
  const isSame = (i: number) => tokens[i]?.text === tokens[at - 1]?.text && isOneOf(tokens[i - 1], articles);
  const behind = isOneOf(tokens[at + 1], commas) ? at + 2 : at + 1;
  const last = isOneOf(tokens[at - 3], commas) ? at - 4 : at - 3;
  const following = skip("and")(tokens, behind, behind)!;
  return tokens[at]?.kind === "word" && (isSame(following + 1) || isSame(last - 1)) ? at : null;
};
const commas = wordSet(", ;");

/** A third that is a share: "takes a fifth", "a tenth is envy", "stronger by a third", "the remaining third" */
const isShare = any(
  starts("remaining"),
  next("each apiece"),
  filled,
  seq(before("by"), after(comparatives)),
  before(quantifiers),
  atMost,
  next("is was goes", moods),
  seq(before("by to at of"), not(last("third"))),
  // "Hope, with a fifth, is next."
  seq(before("with"), near(moods)),
  // No person is "a quarter", but "a third" may be one.
  seq(last("quarter"), near(moods, sharedNouns)),
  // "Another yawns, and a third, in red, gives up."
  seq(any(after(shareVerbs), after(sharedNouns)), not(after(others))),
);

const half = any(seq("one", hyphen, "half"), "half");
/** Looks before "half" or "a half". */
function beforeHalf(look: Step): Step {
  return (tokens, at, start) => look(tokens, at, tokens[start - 1]?.text === "a" ? start - 1 : start);
}

/** "the width" of the image, or alone; not "its width", "the width of the door" */
const extent = any(next(pictures), seq(not(last("its")), next(extents, any(not("of"), seq("of", anyToken, pictures)))));

export const fractionRules: readonly Rule[] = leaks(
  "fraction",
  // "two thirds", "one-fifth", "eight tenth of it"; not "two halves", "three quarters of an hour",
  // "a three-quarters view", "two third graders", "one third-grader"
  seq(
    number,
    any(
      seq(last("one"), hyphen, unit, not("-")),
      seq(not(last(ordinalStarts)), hyphen, unit, any(next("of"), bare, next(markers), next(moods))),
      seq(hyphen, units),
    ),
    not(ofTime),
    not(posed),
  ),
  // "a quarter of", "a good third across", "a third calm, a third tired", "takes a fifth"; not "a third man",
  // "a quarter past"
  seq(
    "a an remaining",
    skip("even equal good full mere bare solid small scant rough whole further about"),
    unit,
    not(ofTime),
    any(
      next("of across down up along below above beneath into inside"),
      fromSide,
      range,
      repeated,
      seq(isShare, any(bare, filled, next(receivers), atMost)),
    ),
  ),
  // "gloom gets half", "a probability of one half", "a probability of a half"
  seq(half, bare, beforeHalf(linkedBy(shareVerbs)), near(moods)),
  seq(half, any(starts("one"), before("a")), beforeHalf(linked(wordSet("of is at"), probabilityWords))),
  // "half the weight", "covers half of the picture", "one half joy"; not "half the crowd"
  seq(half, some(partitives), any(ahead(0, 2, strengths), seq(extent, beforeHalf(before(fills)))), anyToken),
  seq("one", hyphen, "half", not(partitives)),
  // "about half goes to", "about half", "half joy"; not "the lower half", "half is gone"
  seq(
    half,
    not(some(partitives), not(bare)),
    any(
      seq(next(receivers), not(beforeHalf(before(regions))), any(not("is"), near(moods, sharedNouns))),
      seq(any(next(partitives), bare), beforeHalf(before(quantifiers)), near(shareVerbs)),
      next(moods),
      seq(beforeHalf(before(mixes)), after(sharedNouns)),
    ),
  ),
  // "splits the weight in thirds", "equal thirds of hope and dread"; not "cut into quarters"
  seq(units, any(before("equal even"), seq(before("in into by"), after(divisions))), near(sharedNouns, moods)),
  // "quarter hope", "as quarter of the total", "the quarter mark"; "the third mark" comes after the second
  seq("quarter", any(next(moods), next(next("of"), skip(partitives), wholes), seq(hyphen, markers))),
);
