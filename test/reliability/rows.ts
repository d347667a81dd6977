/** A test file, from test/, and titles of its tests, as they stand in the source. */
type Held = readonly [file: string, ...titles: readonly string[]];

interface Row {
  readonly id: string;
  /** The statement that must hold. */
  readonly holds: string;
  readonly by: readonly Held[];
}

const fuzzed = "becomes a value or an error of ours: %s";
const failures = "runs/examples/failures.test.ts";
const replies = "backends/openai-replies.test.ts";
const hub = "models/hub/hub.test.ts";
const kills = "rise/kill-resume.test.ts";
const images = "files/image.test.ts";
const tokenizer = "models/inputs/tokenizer.test.ts";
const directory = "runs/directory/directory.test.ts";
const lock = "runs/directory/lock.test.ts";
const report = "report/html-report.test.ts";
const fuzz: Held = ["fuzz/fuzz.test.ts", fuzzed];

/** Events that a run, an evaluation or a reader must survive. */
export const events: readonly Row[] = [
  {
    id: "a kill in the middle of training a network",
    holds: "the resumed run has the same weights, moments and rows",
    by: [[kills, "ends with the same weights, moments and rows"]],
  },
  {
    id: "a kill at any kind of moment, and a second one",
    holds: "every file has the same bytes, and no paid answer is asked for again",
    by: [
      [
        kills,
        "ends with the same bytes, whatever it was doing, and if it is killed again on the way",
        "ends with the same bytes, and asks for no answer that is written already",
      ],
      ["annotation/killed.test.ts", "ends with the same bytes, and asks for no answer that is written already"],
      [
        "export/killed.test.ts",
        "leaves nothing under its name at any of its operations on files, and the next one is whole",
      ],
    ],
  },
  {
    id: "a power cut",
    holds: "files and names are flushed before anything relies on them",
    by: [
      [
        "runs/directory/flushed.test.ts",
        "is flushed: the files and the folder of a checkpoint before it gets its name, and that name and the run's after it",
        "is flushed: every row of an evaluation when its call has ended, and the names of its files",
      ],
    ],
  },
  {
    id: "a full disk",
    holds: "an error says what is intact, and the run can be resumed",
    by: [
      [
        directory,
        "a checkpoint is a clear error, leaves nothing behind, and the one before survives",
        "so are the settings of a new run, which can be begun again",
        "so is what resuming has to put in order first",
        "so are rows",
      ],
    ],
  },
  {
    id: "a disk that fails at any operation: ENOSPC, EIO, EDQUOT, EACCES, EROFS, EMFILE, EFBIG, once or from then on",
    holds: "the error is ours, and the resumed run has the same bytes",
    by: [
      [
        "rise/failing-disk.test.ts",
        "at any operation of %s is an error of ours, after which resuming ends with the same bytes",
      ],
    ],
  },
  {
    id: "Ctrl-C, SIGTERM, SIGHUP, a closed terminal, SIGQUIT",
    holds: "the step ends, a checkpoint is written, and a second signal ends the process",
    by: [
      [
        kills,
        "once finishes the step, writes a checkpoint and says how to resume; resuming ends with the same bytes, killed or not",
        "is no other than what schedulers and closed terminals send: %s",
        "stops a run that prints to pipes that nobody reads any more",
        "twice ends the process at once, as SIGQUIT does: %s",
      ],
    ],
  },
  {
    id: "locks: stale, reused number, alive, another host, malformed, two processes, two containers",
    holds: "one run writes, and a dead one's successor gets in",
    by: [
      [
        lock,
        "is taken over at once when it is %s",
        "is taken over when it has not beaten for ten periods, of a process %s",
        "is respected when it beats, of a process %s",
        "is an error that names it when it cannot be read",
        "are never both in, and the successor of one that was killed is",
        "give way to each other when one stood still: it notices before it writes",
      ],
    ],
  },
  {
    id: "a model at another path, and other weights under the same name",
    holds: "the first is the same run, the second is refused",
    by: [
      [
        "runs/examples/fingerprints.test.ts",
        "is known by what it holds: by another path it is the same, and other weights under the same name are another",
      ],
      [
        "engine/checkpoint/model-digest.test.ts",
        "is the same for a copy, a link, a relative path, and the same weights in several files",
      ],
    ],
  },
  {
    id: "changed headers, settings, templates, tokenizers, images, tables, answers, replies, listings, adapters, checkpoints",
    holds: "each becomes a value or a RiseError in bounded time",
    by: [fuzz],
  },
  {
    id: "labels named __proto__, constructor, toString",
    holds: "they are labels like others",
    by: [
      ["tasks/classification.test.ts", "works with labels that every object has, in every check and similarity"],
      ["datasets/coco.test.ts", "keeps __proto__ a key like others"],
    ],
  },
  {
    id: "a CSV heading of 200 000 columns",
    holds: "it is read",
    by: [["datasets/csv.test.ts", "reads and refuses a heading of 200 000 columns"]],
  },
  {
    id: "a line or record of a gigabyte",
    holds: "it is refused before it is read",
    by: [
      ["datasets/streams.test.ts", "ends at a line of a gigabyte, without reading it"],
      ["datasets/csv.test.ts", "refuses a record of a gigabyte when it is above 16 MiB, quoted or not"],
    ],
  },
  {
    id: "10 000 requests, 50 000 rows, 250 completions",
    holds: "memory in use does not grow",
    by: [["reliability/flat.test.ts", "does not grow over %s"]],
  },
  {
    id: "rows beyond the last checkpoint",
    holds: "they are cut off, and written again",
    by: [[directory, "cuts off on resume what came after the last checkpoint"]],
  },
  {
    id: "two copies of a dependency, and of this library",
    holds: "ranges let one do, and an error of either copy is known",
    by: [
      ["package.test.ts", "tells a maintainer's places in package.json, and takes ranges of every dependency but one"],
      ["errors.test.ts", "is an instance of the same class and of the classes above it, and of no other"],
    ],
  },
  {
    id: "script in every text of a report",
    holds: "the browser runs nothing",
    by: [
      [report, "never lets text become markup, whoever wrote it"],
      [
        "report/page.test.ts",
        "runs nothing, and makes the page neither large nor wide",
        "is blocked even where it gets into the page",
      ],
    ],
  },
  {
    id: "20 000 rollouts in one page",
    holds: "the page stays below 5 MB",
    by: [["report/tool.test.ts", "holds chosen ones of 20 000, says so, and stays below 5 MB"]],
  },
];

/** Faults of an earlier version, each with the tests that would find it again. */
export const faults: readonly Row[] = [
  {
    id: "a word such as constructor ends a training run and its report",
    holds: "no plain object is read by words of a text",
    by: [
      [
        "plain-objects.test.ts",
        "are read by words of a text only after Object.hasOwn, since every object has a constructor",
      ],
      ["checks/leakage.test.ts", "finds nothing in: %s"],
    ],
  },
  {
    id: "one refused prompt loses the paid answers beside it",
    holds: "what came is kept, and the failure is a record",
    by: [
      [
        failures,
        "pays each of the other answers once when a server refuses one prompt",
        "keeps every answer that came before the key was withdrawn, %i in a batch",
        "asks again on resume for what may pass, and not for what may not",
        "stops after failureLimit failures in a row, which are not held against the examples",
      ],
      [replies, "is told of every prompt, and the failure of one does not touch the others"],
    ],
  },
  {
    id: "a damaged Parquet file ends the process",
    holds: "it is an error that is caught",
    by: [
      [
        "datasets/parquet.test.ts",
        "is an error that is caught: no column that is still being read ends the process",
        "is refused when a run of it claims more values than memory holds",
        "is refused when a run of it never ends",
      ],
    ],
  },
  {
    id: "readers of a model's text take the square of its length, or overflow the stack",
    holds: "they take linear time, whatever is repeated",
    by: [
      [
        "linear.test.ts",
        "takes linear time of hostile texts: %s",
        "throws for no repeat of any token",
        "overflows no stack with six million characters of %s",
        "takes at most the square of the corners where every tooth crosses every other",
        "takes linear time of one long line",
      ],
      [
        tokenizer,
        "is encoded when it has every character for private use, and a special token's name among them",
        "has the tokens of its normal form, however many marks follow each other in whatever order",
      ],
    ],
  },
  {
    id: "two containers write into one run directory",
    holds: "never both",
    by: [
      [lock, "are never both in, and the successor of one that was killed is", "lets one in where many come at once"],
    ],
  },
  {
    id: "each compiled graph keeps a copy of the weights, and disposing frees little",
    holds: "copies are bounded and foreseen",
    by: [
      [
        "engine/memory/estimate.test.ts",
        "has copies of a gigabyte at most in its compiled graphs, however many prompts differ in length",
        "counts all copies of frozen weights that one compiled graph has",
      ],
      ["onnx/runtime/session-cache.test.ts", "are disposed when others have been used since, the longest unused first"],
    ],
  },
  {
    id: "a checkpoint's template or tokenizer hangs or ends the process",
    holds: "it is a DataError; a busy or sleeping machine causes no error",
    by: [
      [
        tokenizer,
        "is a DataError when its template takes all memory: %s",
        "is a DataError when its template never ends",
        "is a DataError when its regular expression backtracks without end",
        "is a DataError when its normalizers make ever longer text",
        "is used again after its process ended",
      ],
      [
        "models/inputs/tokenizing/sandbox.test.ts",
        "answers each request with its own reply after the caller was paused",
      ],
      ["files/killable-process.test.ts", "says why it ended when a job does: %s"],
    ],
  },
  {
    id: "a number in a configuration decides a loop or an allocation",
    holds: "it has a bound, and the weights' headers must hold the tensors",
    by: [
      [
        "models/families/qwen2-vl/config.test.ts",
        "names %s and the file",
        "is a DataError when something else lies in the file's place",
      ],
      ["models/inputs/image-processor.test.ts", "are refused when they are %j"],
      ["models/checkpoint/weights.test.ts", "of another network are told in twenty lines"],
      ["models/files/safetensors.test.ts", "with a tensor larger than any memory is a DataError when it is read"],
      [
        "errors.test.ts",
        "has a message of at most 10 000 characters when a file is quoted, and says how many are left out",
      ],
    ],
  },
  {
    id: "image bombs, SVG, pipes and devices",
    holds: "they are refused before a pixel is decoded",
    by: [
      [
        images,
        "refuses an image with more pixels than the limit before it decodes any",
        "refuses SVG in memory",
        "refuses what is no regular file, at once, also behind a link",
        "refuses what is no image by its bytes, whatever its name says, and says what it is",
        "are decoded a few at a time",
      ],
      ["files/jpeg-scans.test.ts", "are read up to a hundred, and refused above before any is decoded"],
    ],
  },
  {
    id: "a base model that was changed in place is trained on",
    holds: "its content is part of the run's identity",
    by: [
      [
        "runs/examples/fingerprints.test.ts",
        "is known by what it holds: by another path it is the same, and other weights under the same name are another",
      ],
    ],
  },
  {
    id: "an error between checkpoints loses the steps before it",
    holds: "the last finished step is saved, and unreadable images are found before the first",
    by: [
      ["rise/stop.test.ts", "saves the last finished step, says so, and loses nothing when it is resumed, after %s"],
      [
        "runs/examples/readable-examples.test.ts",
        "names every example whose image cannot be read, before it writes anything",
      ],
    ],
  },
  {
    id: "a flipped bit or an impossible optimiser state trains on",
    holds: "it is refused, and nothing changes",
    by: [
      [
        "trainers/onnx.test.ts",
        "is refused, and changes nothing: %s",
        "is refused where a run wrote digests and one bit is another",
        "writes no checkpoint of weights that are not numbers",
      ],
      [directory, "are found damaged by any bit that is another, in any of their files"],
    ],
  },
  {
    id: "SIGHUP loses the steps since the last checkpoint",
    holds: "it stops as Ctrl-C does",
    by: [[kills, "is no other than what schedulers and closed terminals send: %s"]],
  },
  {
    id: "a tokenizer without a vocabulary, or an end token outside it, generates",
    holds: "both are refused by name",
    by: [
      [tokenizer, "is an error when tokenizer.json describes none", "is an error: too many tokens, or no image token"],
      ["models/families/qwen2-vl/config.test.ts", "names eos_token_id when it is no token that can end a turn"],
    ],
  },
  {
    id: "a hub that does not answer, or answers without end",
    holds: "deadlines and caps end it",
    by: [
      [
        hub,
        "opens a complete cached model when the hub accepts the request and never answers",
        "names the deadline when the hub never answers and the cache has no copy",
        "gives up a file of which no byte comes",
        "stops after 100 pages when every page of the listing names a next one",
        "keeps no more of a file than its announced size when more is sent",
        "brings an empty file as an empty file",
      ],
    ],
  },
  {
    id: "Retry-After of a day, or of more than a timer holds",
    holds: "maxWaitMs bounds it",
    by: [[replies, "waits no longer than maxWaitMs when Retry-After is %s, and says so"]],
  },
  {
    id: "part of a key in a message that was cut",
    holds: "keys are replaced before anything is cut",
    by: [
      [
        replies,
        "never show when the server repeats them at character %i",
        "never show in a remark, nor when they stand in the query or are escaped",
        "never show when a redirect or a broken answer repeats them",
      ],
    ],
  },
  {
    id: "an answer of a gigabyte, or 600 MiB of gzip",
    holds: "maxReplyBytes ends it, decompressed",
    by: [
      [replies, "is read up to maxReplyBytes, decompressed, and not asked again for more"],
      ["remote/http.test.ts", "reads a body of maxBytes and refuses one of a byte more"],
    ],
  },
  {
    id: "redirects carry prompts to another host; replies that should be asked for again are final",
    holds: "neither",
    by: [
      [
        replies,
        "is not followed to another host (%i)",
        "is not followed with 303, which asks for another request",
        "is asked again after %s",
        "F5b: quotes the refusal, and says content_filter",
      ],
    ],
  },
  {
    id: "reports of many steps throw, and each record embeds its image again",
    holds: "any number of steps is drawn, and an image is embedded once",
    by: [
      [
        report,
        "draws a curve of any length, thinned to what a screen can show, with its peaks",
        "embeds each image once, however many records show it, and refers to nothing outside",
      ],
    ],
  },
];
