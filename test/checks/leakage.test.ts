import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findLeaks, type LeakKind } from "../../src/checks/leakage";
import { cpuTime } from "../cpu-time";

/** A sentence and the leaks in it, as [kind, text]. */
type Case = readonly [sentence: string, ...leaks: (readonly [kind: LeakKind, text: string])[]];

const leaky: readonly Case[] = [
  ["The joy is 0.8 here.", ["decimal", "0.8"]],
  ["The joy is .5 here.", ["decimal", ".5"]],
  ["I would give joy 0,8.", ["decimal", "0,8"]],
  ["Mostly joy (0.90) with some anger.", ["decimal", "0.90"]],
  ["Roughly 80% joy.", ["percent", "80%"]],
  ["Roughly 80 % joy.", ["percent", "80 %"]],
  ["About 12.5% fear.", ["percent", "12.5%"]],
  ["Around 80 percent joy.", ["percent", "80 percent"]],
  ["Around eighty percent joy.", ["percent", "eighty percent"]],
  ["Around Eighty-Five Percent joy.", ["percent", "Eighty-Five Percent"]],
  ["Some ten per cent of fear.", ["percent", "ten per cent"]],
  ["One hundred percent happy.", ["percent", "One hundred percent"]],
  ["Fear is at 1e-3.", ["scientific", "1e-3"]],
  ["Fear is at 2.5E-4, if that.", ["scientific", "2.5E-4"]],
  ["The dog starts at 120 on the left.", ["digits", "120"]],
  ["There are 2 dogs.", ["digits", "2"]],
  ["A photo from the 1980s.", ["digits", "1980"]],
  ["About 1,000 people.", ["digits", "1,000"]],
  ["Joy: 9, anger: 1.", ["digits", "9"], ["digits", "1"]],
  ["٨٠ of the mood is joy.", ["digits", "٨٠"]],
  ["The mood is ８０ joy.", ["digits", "８０"]],
  ["About ½ of the frame.", ["fraction", "½"]],
  ["大约六成的人会觉得快乐。", ["fraction", "大约六成的人会觉得快乐"]],
  ["十人中、六割が喜ぶ。", ["fraction", "六割が喜ぶ"]],
  ["喜びは六十パーセントだ。", ["fraction", "喜びは六十パーセントだ"]],
  ["三分の二の人が笑う。", ["fraction", "三分の二の人が笑う"]],
  ["快乐的概率是零点六。", ["fraction", "快乐的概率是零点六"]],
  ["占了三个百分点。", ["fraction", "占了三个百分点"]],
  ["快乐占０．８。", ["decimal", "０．８"]],
  ["（８０％）快乐。", ["percent", "８０％"]],
  ["البهجة ٠٫٨ هنا.", ["decimal", "٠٫٨"]],
  ["The joy is zero point eight.", ["decimal", "zero point eight"]],
  ["The joy is nought point two five.", ["decimal", "nought point two five"]],
  ["The joy is point eight.", ["decimal", "point eight"]],
  ["Joy gets a weight of point nine.", ["decimal", "point nine"]],
  ["Two thirds of the mood is joy.", ["fraction", "Two thirds"]],
  ["It fills three-quarters of the picture.", ["fraction", "three-quarters"]],
  ["One half joy, one half fear.", ["fraction", "One half"], ["fraction", "one half"]],
  ["It covers a quarter of the frame.", ["fraction", "a quarter"]],
  ["It begins one third from the left.", ["fraction", "one third"]],
  ["Of the ten annotators, seven would pick it.", ["ratio", "Of the ten annotators, seven"]],
  ["Hope ranks first out of eight.", ["ratio", "first out of eight"]],
  ["Severity at level six.", ["probability", "six"]],
  ["The sarcasm dial is set to nine.", ["probability", "nine"]],
  ["Joy in eight out of ten cases.", ["ratio", "eight out of ten"]],
  ["Joy scores 8 out of 10.", ["ratio", "8 out of 10"]],
  ["Joy scores 8/10.", ["ratio", "8/10"]],
  ["One in ten would be afraid.", ["ratio", "One in ten"]],
  ["One in a hundred would be afraid.", ["ratio", "One in a hundred"]],
  ["There is a probability of one for joy.", ["probability", "one"]],
  ["The confidence is about half.", ["probability", "half"]],
  ["Its likelihood is nearly zero.", ["probability", "zero"]],
  ["A score of nine for joy.", ["probability", "nine"]],
  ["It spans x from 120 to 300.", ["coordinates", "x from 120 to 300"]],
  ["It lies at x=120, y=80.", ["coordinates", "x=120"], ["coordinates", "y=80"]],
  ["Its x is forty.", ["coordinates", "x is forty"]],
  ["X from one hundred twenty to three hundred.", ["coordinates", "X from one hundred twenty to three hundred"]],
  ["The box is [120, 80, 40, 60].", ["coordinates", "[120, 80, 40, 60]"]],
  ["Centred at (0.4, 0.6) of the frame.", ["coordinates", "(0.4, 0.6)"]],
  ["Around coordinates twelve and thirty.", ["coordinates", "coordinates twelve and thirty"]],
  ["Eighty for joy, the rest for fear.", ["number-word", "Eighty"]],
  ["Joy and fear are fifty-fifty.", ["number-word", "fifty-fifty"]],
  ["It sits at one hundred and twenty.", ["number-word", "one hundred and twenty"]],
  ["Twenty-five for fear.", ["number-word", "Twenty-five"]],
  ["Joy eighty, fear twenty one.", ["number-word", "eighty"], ["number-word", "twenty one"]],
  ["CO2 rises from the chimney.", ["digits", "2"]],
  ["The joy is\n0.8 here.", ["decimal", "0.8"]],
  ["Hope outweighs dread three to one.", ["ratio", "three to one"]],
  ["Hope is twice as strong as dread.", ["ratio", "twice as strong"]],
  ["Three parts hope, one part dread.", ["ratio", "Three parts"]],
  ["Out of ten, eight smile.", ["ratio", "Out of ten"]],
  ["The mood is half hope, half dread.", ["fraction", "half"], ["fraction", "half"]],
  ["Dread takes a fifth.", ["fraction", "a fifth"]],
  ["It begins a quarter from the left.", ["fraction", "a quarter"]],
  ["Hope would be nine.", ["probability", "nine"]],
  ["Call the tension a seven.", ["probability", "seven"]],
  ["A ten-point scale suits it.", ["ratio", "ten-point"]],
  ["Horizontally it starts at six.", ["coordinates", "six"]],
  ["A likelihood in the low nineties.", ["percent", "nineties"]],
  ["Two third of it is joy.", ["fraction", "Two third"]],
  ["She splits the mood in thirds.", ["fraction", "thirds"]],
  ["Equal thirds of hope and dread.", ["fraction", "thirds"]],
  ["A third calm, a third tired.", ["fraction", "A third"], ["fraction", "a third"]],
  ["It is at the quarter mark.", ["fraction", "quarter mark"]],
  ["Hope is ahead, stronger by a third.", ["fraction", "a third"]],
  ["The glass is a third full.", ["fraction", "a third"]],
  ["百分之六十是平静。", ["fraction", "百分之六十是平静"]],
  ["Hope outweighs dread threefold.", ["ratio", "threefold"]],
  ["Dread counts double.", ["ratio", "double"]],
  ["Dread is half that of hope.", ["ratio", "half that of"]],
  ["The lamp is half as wide as the picture.", ["coordinates", "half as wide as the picture"]],
  ["Every third viewer would laugh.", ["ratio", "Every third"]],
  ["Hope: an eight-out-of-ten.", ["ratio", "eight-out-of-ten"]],
  ["Hope leads dread by two points.", ["probability", "two points"]],
  ["Valence is about seven.", ["probability", "seven"]],
  ["The cosiness is a six at best.", ["probability", "six"]],
  ["| hope | seven |", ["probability", "seven"]],
  ["Left at two, right at nine.", ["coordinates", "two"], ["coordinates", "nine"]],
  ["Joy at 80–90%.", ["digits", "80"], ["percent", "90%"]],
  ["**Joy**: seven; **fear**: two.", ["probability", "seven"], ["probability", "two"]],
  ["I would put **eight** out of **ten** on it.", ["ratio", "eight** out of **ten"]],
  ["Calm takes *three quarters* of the mood.", ["fraction", "three quarters"]],
  ["I say `sixty` `percent`.", ["percent", "sixty` `percent"]],
  ["A one\u2011in\u2010four chance of dread.", ["ratio", "one\u2011in\u2010four"]],
  ["Eigh\u00adty per\u00adcent of the mood is joy.", ["percent", "Eigh\u00adty per\u00adcent"]],
  ["It is fif\u200dty\u2011fifty.", ["number-word", "fif\u200dty\u2011fifty"]],
  ["The mood is ｅｉｇｈｔｙ joy.", ["number-word", "ｅｉｇｈｔｙ"]],
  ["The mood is 𝒆𝒊𝒈𝒉𝒕𝒚 joy.", ["number-word", "𝒆𝒊𝒈𝒉𝒕𝒚"]],
  ["The joy is zero point oh eight.", ["decimal", "zero point oh eight"]],
  ["Joy has a likelihood of oh point three.", ["decimal", "oh point three"]],
  ["For each viewer who frowns, four would smile.", ["ratio", "four"]],
  ["About three viewers per ten would flinch.", ["ratio", "three viewers per ten"]],
  ["Six viewers to every one would flinch.", ["ratio", "Six viewers to every one"]],
  ["The left edge is near twelve.", ["coordinates", "twelve"]],
];

const harmless: readonly string[] = [
  // Words that every plain object has.
  "The third constructor smiles in the sun.",
  "The twentieth toString waits by the door.",
  "A first hasOwnProperty and a second valueOf stand there.",
  "The fortieth __proto__ is as tall as the fifth isPrototypeOf.",
  "一成不变的灰色天空下，他完成了工作。",
  "自分の部屋で二人が笑う。",
  "零点五十分，街上没有人。",
  "二十成人在广场上散步。",
  "Three children laugh in the sun.",
  "Two dogs chase one ball.",
  "A dozen balloons float over twenty guests.",
  "No one is looking at the camera.",
  "One of them waves.",
  "The one in the front smiles.",
  "Dozens of lanterns and hundreds of people fill the square.",
  "The first child leads, the second follows, the third rests.",
  "The door is half open and the face half hidden.",
  "The mug stands in the left half of the table.",
  "At this point one child laughs.",
  "The focal point two children share is a kite.",
  "From this point of view the room is bright.",
  "Joy is far more probable than anger.",
  "A high percentage of the picture is sky.",
  "The probability of rain seems high.",
  "Two in three rows stand up to cheer.",
  "Between two trees, four birds sit on a wire.",
  "A three-quarter view of a smiling face.",
  "Nobody is alone; someone is always near.",
  "A quarter past the hour, the clock says.",
  "The lower left corner is dark, the upper right bright.",
  "X marks the spot on the map.",
  "The tower is twice as tall as the tree.",
  "It is twenty-five to nine, and she is eight.",
  "A sixty-year-old man has run forty miles.",
  "A hundred lanterns hang over platform nine.",
  "A car from nineteen fifty-six, a road built in two thousand and twelve.",
  "He won by three goals to two, the scoreboard says two to one.",
  "Another child waves, and a third, in red, takes a bow.",
  "Hope and dread are evenly split.",
  "Three quarters of an hour later the team scores two.",
  "A man of fifty has turned sixty.",
  "She might be forty.",
  "It was built in eighteen hundred and six.",
  "Half of the cake is eaten, half is gone.",
  "Two third graders cut a cake into quarters.",
  "The wind blows at thirty knots; the shop is open twenty-four seven.",
  "The chair stands two metres from the left wall.",
  "Men: two. Women: three.",
  "A vitamin-rich orange lies beside the bread.",
  "",
  "   \n\t",
  "Of the twelve people, three wave at the camera.",
  "Among the ten onlookers, two wear hats.",
  "She finished third out of nine runners.",
  "The general gets five stars on his collar.",
  "The needle points to four on the old gauge, a hint of menace.",
  "They wait on level nine for the lift in growing tension.",
  "A **twelve**\u2011string guitar leans on _platform nine_.",
  "A sixty\u2011year\u2011old man naps under a four\u2011leaf clover.",
  "A poster for Ocean's Eleven hangs beside one for Apollo Thirteen.",
  "A sign for Interstate ninety-five leans on the wall, near one door.",
  "Shoes of size forty-two stand by the door.",
  "For each child, two balloons float above the stall.",
  "Two lamps per ten metres line the road; two chairs to every table.",
  "Oh, one point stands out: three gulls.",
];

describe("findLeaks", () => {
  it.each(leaky.map(([sentence, ...leaks]) => ({ sentence, leaks })))(
    "finds the numbers in: $sentence",
    ({ sentence, leaks }) => {
      expect(findLeaks(sentence).map(({ kind, text }) => [kind, text])).toEqual(leaks);
    },
  );

  it.each(harmless)("finds nothing in: %s", (sentence) => {
    expect(findLeaks(sentence)).toEqual([]);
  });

  it.each([
    "In this scene four fifths of the mood is joy.",
    "On this day two thirds feel calm.",
    "In this hall four in five would feel calm.",
  ])("finds a share behind a word that may be named by a number: %s", (cot) => expect(findLeaks(cot)).toHaveLength(1));

  it("finds every number with a digit, wherever it stands", () => {
    fc.assert(
      fc.property(fc.string(), fc.double({ min: 0, max: 1000, noNaN: true }), fc.string(), (before, value, after) => {
        const cot = `${before} ${value} ${after}`;
        const at = before.length + 1;
        expect(findLeaks(cot).some(({ start, end }) => start <= at && end > at)).toBe(true);
      }),
    );
  });

  it("gives spans in the order of the text that cut out exactly what leaks", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom("joy", "0.8", "eighty", "percent", "(", ",", "3", ")", "x", "to", "half", ".", "point"),
        ),
        (words) => {
          const cot = words.join(" ");
          const leaks = findLeaks(cot, { labels: ["joy"] });
          for (const leak of leaks) expect(cot.slice(leak.start, leak.end)).toBe(leak.text);
          expect(leaks.map(({ start }) => start)).toEqual(leaks.map(({ start }) => start).sort((a, b) => a - b));
        },
      ),
    );
  });

  it("takes linear time", () => {
    const time = (text: string) => cpuTime(() => findLeaks(text, { labels: ["joy"], answer: "[1, 2]" }));
    for (const piece of [
      "1",
      "1.",
      "(1,",
      "one ",
      "x of ",
      "twenty-",
      "joy ",
      "<",
      "'",
      "[1, 2",
      "edge is one by ",
      "half of ",
      "joy is one ",
      "joy nine, ",
      "two parts joy ",
      "about a third, ",
      "twenty ",
      "for every two ",
      "x one, ",
      "(one, ",
    ]) {
      time(piece.repeat(1_250));
      const short = Math.min(time(piece.repeat(1_250)), time(piece.repeat(1_250)));
      // Quadratic would be 400 times as long.
      expect(time(piece.repeat(25_000)), piece).toBeLessThan(60 * short + 200);
    }
  });

  it("finds copies of the annotation, digits or not", () => {
    expect(findLeaks("There is nothing: [].", { answer: "[]" })).toEqual([
      { kind: "annotation", text: "[]", start: 18, end: 20 },
    ]);
    expect(findLeaks("There is nothing.", { answer: "[]" })).toEqual([]);
  });
});

describe("class names as leaks", () => {
  it.each([
    ["joy", "This is a scene of joy.", ["joy"]],
    ["joy", "This is a Joyful scene.", ["Joyful"]],
    ["joy", "They dance joyously, joyfully.", ["joyously", "joyfully"]],
    ["constructor", "The constructors build a house.", ["constructors"]],
    ["toString", "A toString is there.", ["toString"]],
    ["快乐", "孩子很快乐，快乐极了。", ["快乐", "快乐"]],
    ["喜び", "彼女は喜びに満ちている。", ["喜び"]],
    ["ความสุข", "เด็กมีความสุขมาก", ["ความสุข"]],
    ["기쁨", "그녀는 기쁨을 느낀다. 기쁨이다.", ["기쁨을", "기쁨이다"]],
    ["화", "영화가 좋다. 화분이 있다.", []],
    ["joy", "They are enjoying themselves.", []],
    ["joy", "A killjoy sits in the corner.", []],
    ["fear", "A fearful, feared place of fears.", ["fearful", "feared", "fears"]],
    ["fear", "She is fearless.", []],
    ["anger", "Angry faces; they shout angrily in anger.", ["Angry", "angrily", "anger"]],
    ["anger", "Danger ahead, a manger, a stranger.", []],
    ["sadness", "A sad, sadder, sadly lit room full of sadness.", ["sad", "sadder", "sadly", "sadness"]],
    ["sadness", "She saddles a horse.", []],
    ["happiness", "A happy, happier crowd laughs happily.", ["happy", "happier", "happily"]],
    ["surprise", "A surprised face, surprisingly bright, two surprises.", ["surprised", "surprisingly", "surprises"]],
    ["disgust", "A disgusted look at a disgusting dish.", ["disgusted", "disgusting"]],
    ["neutral", "He looks on neutrally.", ["neutrally"]],
    ["candle", "Two candles, and candlelight.", ["candles"]],
    ["excitement", "An excited child, an exciting day, an exit.", ["excited", "exciting"]],
    ["pride", "A proud father smiles proudly.", ["proud", "proudly"]],
    ["train", "Training for the trains, he trained.", ["trains"]],
    ["sink", "The boat is sinking; the sinks are full.", ["sinks"]],
    ["wine glass", "Wineglasses, a wine glass, a glass of wine.", ["Wineglasses", "wine glass"]],
    ["person", "Some people and a person.", ["people", "person"]],
    ["mouse", "The mice ran.", ["mice"]],
    ["knife", "Knives on the table.", ["Knives"]],
    ["bus", "Buses, but no business.", ["Buses"]],
    ["car", "A caring nurse by the cars.", ["cars"]],
    ["star", "He stared at the stars.", ["stars"]],
    ["ear", "Early light on her ears.", ["ears"]],
    ["bed", "The bed's frame.", ["bed's"]],
    ["Band Aid", "A band-aid and two Band Aids on the band.", ["band-aid", "Band Aids"]],
    ["beer bottle", "A beer. A bottle of beer; beer bottles.", ["beer bottles"]],
    ["analog_clock", "An analog clock hangs there.", ["analog clock"]],
    ["tomato", "Ripe tomatoes beside a tomato.", ["tomatoes", "tomato"]],
    ["studio", "Two studios; the studioes.", ["studios"]],
    ["café", "The cafe\u0301 is open.", ["cafe\u0301"]],
    ["cafe\u0301", "The café is open.", ["café"]],
    ["が", "これはか\u3099です。", ["これはか\u3099です"]],
  ])("%s in: %s", (label, sentence, expected) => {
    expect(findLeaks(sentence, { labels: [label] }).map(({ text }) => text)).toEqual(expected);
    expect(findLeaks(sentence)).toEqual([]);
  });

  it("marks them as class names, beside the numbers", () => {
    expect(findLeaks("Joy is 0.8.", { labels: ["joy", "fear"] })).toEqual([
      { kind: "class-name", text: "Joy", start: 0, end: 3 },
      { kind: "decimal", text: "0.8", start: 7, end: 10 },
    ]);
  });

  it("finds small spelled counts when counts leak, and names by number never", () => {
    const found = (cot: string) => findLeaks(cot, { counts: true }).map(({ text }) => text);
    expect(found("There are three cars and twelve bikes.")).toEqual(["three", "twelve"]);
    expect(found("I would give it four.")).toEqual(["four"]);
    expect(found("They wait on platform nine.")).toEqual([]);
    expect(findLeaks("There are three cars.")).toEqual([]);
  });
});
