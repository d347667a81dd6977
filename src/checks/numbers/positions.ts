import { fromSide } from "./idioms";
import { determiners, hours, pictures, sides } from "./lexicon";
import {
  after,
  any,
  anyToken,
  around,
  bare,
  before,
  far,
  hyphen,
  isOneOf,
  leaks,
  linked,
  linkedBy,
  maybe,
  near,
  next,
  not,
  number,
  quantity,
  type Rule,
  type Step,
  seq,
  skip,
  starts,
  wordSet,
} from "./rule";

const separators = wordSet(", ; -");
const axes = wordSet("x y coordinate coordinates abscissa ordinate");
const connectives = wordSet(
  "of is at as a an = : about around roughly nearly almost approximately equal equals to near over under being from between was are",
);
const rangeWords = wordSet("to and - – — , until through");
const links = wordSet("is was at near of to = : equals reaches measures");
const measures = wordSet(
  "edge edges corner corners border boundary width height position positions offset extent center centre middle midpoint outline abscissa ordinate",
);
const cells = wordSet("column columns pixel");
const rows = wordSet("row rows cell tile");
const grids = wordSet(["grid pixel pixels", ...pictures].join(" "));
const units = wordSet("pixel pixels px unit units");
const lengths = wordSet(
  "inch inches centimetre centimetres centimeter centimeters foot feet metre metres meter meters step steps square squares cell cells tile tiles",
);
const dimensions = wordSet("wide tall high long across down");
const spans = wordSet(
  "span spans spanning run runs running reach reaches reaching extend extends extending stretch stretches stretching range ranges horizontally vertically",
);
const extents = wordSet(
  "begin begins beginning start starts starting end ends ending stop stops stopping finishes span spans run runs reach reaches extend extends stretch stretches sit sits lie lies located positioned placed centred centered",
);
const geometry = wordSet(
  "left right top bottom horizontal vertical horizontally vertically axis border corner edge pixel pixels frame image picture canvas sideways",
);
const rulers = wordSet("axis pixel pixels coordinate coordinates normalised normalized grid");
const ways = wordSet("across down up along from in horizontally vertically");
const notAgain: Step = (tokens, at, start) => (tokens[at]?.text === tokens[start]?.text ? null : at);

/** Two numbers or more, with separators between them. */
const numberList: Step = (tokens, at, start) => {
  let numbers = 0;
  for (let end = at; ; ) {
    const found = quantity(tokens, end, start);
    if (found !== null) numbers++;
    else if (!isOneOf(tokens[end], separators)) return numbers >= 2 ? end : null;
    end = found ?? end + 1;
  }
};

const side = seq(sides, "at", number);

export const positionRules: readonly Rule[] = leaks(
  "coordinates",
  // "[120, 80, 40, 60]", "(0.2, 0.3)", "(four, nine)"
  seq("[ (", numberList, "] )"),
  // "x from 120 to 300", "y = forty", "coordinates twelve and thirty"
  seq(axes, skip(connectives), quantity, maybe(skip(rangeWords), quantity)),
  // "column twelve", "row twelve" of a grid
  seq(
    number,
    any(
      before(cells),
      seq(before(rows), near(grids)),
      // "the left edge is at twelve", "a width of nine, …", "y equals nine"; not "a height of two storeys"
      seq(linked(links, measures), bare, far(hours)),
      // "top at twelve, left at nine"; not "the shop on the left at nine"
      seq(before(sides, "at"), bare, any(around(-6, -3, side), around(1, 6, side)), far(hours)),
      // "begins at six and stops at nine, from the left"; not "the shop to the left opens at six"
      seq(
        not(starts("one")),
        linkedBy("at from to near until by"),
        any(bare, next(ways)),
        any(seq(near(extents), near(geometry)), near(rulers)),
        far(hours),
      ),
      // "five from the left"; not "one from the left", "the five from the left"
      seq(not(starts("one")), not(before(determiners)), fromSide, anyToken),
      // "twelve pixels", "the twelve mark", "five steps from the left"
      seq(hyphen, units),
      seq(before("the"), "mark"),
      seq(lengths, fromSide),
      // "twelve by nine"; "one by one" is a manner of walking
      seq("by", notAgain, number, any(bare, next(units), next("box rectangle region area"))),
      // "in pixels, nine wide", "eleven wide and sixteen tall", "nine across and four down"; not "two tall boys"
      seq(dimensions, near(rulers)),
      seq(dimensions, skip(rangeWords), number, dimensions),
      // "between twelve and nineteen horizontally", "runs from two to nine"; not "between two and three friends"
      seq(rangeWords, number, "horizontally vertically across"),
      seq(
        rangeWords,
        number,
        any(bare, seq(next(ways), near(geometry))),
        any(after(spans), near(rulers), before(rows)),
      ),
    ),
  ),
);
