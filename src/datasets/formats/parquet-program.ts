/**
 * Rows of a row group, bytes that a row or a batch takes in memory, and brackets in brackets: a writer's defaults
 * are a thousandth of it.
 */
export const most = { groupRows: 2 ** 24, rowBytes: 2 ** 29, batchBytes: 2 ** 24, depth: 100 };

/**
 * The jobs of the process that decodes Parquet, as text (`startKillable`). It holds one row group, and gives its rows
 * in batches, so that nothing large reaches the
 * one that asks.
 */
export const parquetJobs = `([hyparquet, codecs, limits], Refusal) => {
  const most = JSON.parse(limits);
  const { pathToFileURL } = require("node:url");
  const load = (path) => import(pathToFileURL(path));
  const loaded = Promise.all([load(hyparquet), load(codecs)]);
  let opened;
  let rows = [];
  let at = 0;

  /** Refuses places that the file does not have, before memory is set aside for them. */
  const bounded = ({ byteLength, slice }) => ({
    byteLength,
    async slice(start, end = byteLength) {
      const from = start < 0 ? byteLength + start : start;
      if (!(from >= 0 && end >= from && end <= byteLength))
        throw new Refusal("expected places inside its " + byteLength + " bytes, got " + start + " to " + end);
      return slice(from, end);
    },
  });

  /** About the bytes that a value takes in memory. */
  const weigh = (value, depth = 0) => {
    if (typeof value === "string") return 32 + 2 * value.length;
    if (typeof value === "bigint") return 32;
    if (typeof value !== "object" || value === null) return 8;
    if (ArrayBuffer.isView(value)) return 200 + value.byteLength;
    if (depth > most.depth) throw new Refusal("expected at most " + most.depth + " lists in lists, got more");
    let bytes = 64;
    for (const key in value) bytes += 16 + weigh(value[key], depth + 1);
    return bytes;
  };

  async function decode(group) {
    const [{ parquetReadObjects }, { compressors }] = await loaded;
    const { file, metadata } = opened;
    const counts = metadata.row_groups.map((each) => Number(each.num_rows));
    const rowStart = counts.slice(0, group).reduce((sum, count) => sum + count, 0);
    const rowEnd = rowStart + counts[group];
    at = 0;
    rows = [];
    // Bytes that nobody calls text belong to an image.
    rows = await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd, utf8: false });
  }

  return {
    async open({ path }) {
      const [{ asyncBufferFromFile, parquetMetadataAsync }] = await loaded;
      const file = bounded(await asyncBufferFromFile(path));
      const metadata = await parquetMetadataAsync(file);
      for (const [i, { num_rows }] of metadata.row_groups.entries())
        if (!(num_rows >= 0 && num_rows <= most.groupRows))
          throw new Refusal("row group " + i + ": expected 0 to " + most.groupRows + " rows, got " + num_rows);
      opened = { file, metadata };
      const huggingface = metadata.key_value_metadata?.find(({ key }) => key === "huggingface")?.value;
      if (weigh(huggingface) > most.batchBytes)
        throw new Refusal("key_value_metadata.huggingface: expected at most 8 MiB of text, got more");
      return { groups: metadata.row_groups.length, huggingface };
    },
    async rows({ group, isFirst }) {
      if (isFirst) await decode(group);
      const batch = [];
      for (let bytes = 0; at < rows.length && bytes < most.batchBytes; at++) {
        const weight = weigh(rows[at]);
        if (weight > most.rowBytes)
          throw new Refusal("row group " + group + ": expected rows of at most " + most.rowBytes + " bytes, got one of about " + weight);
        // A row of many bytes comes alone.
        if (batch.length > 0 && bytes + weight > most.batchBytes) break;
        bytes += weight;
        batch.push(rows[at]);
        rows[at] = undefined;
      }
      return { batch, isLast: at === rows.length };
    },
    /** Whether it is worth keeping: it may hold the memory of a row group that it no longer needs. */
    close() {
      opened = undefined;
      rows = [];
      return process.memoryUsage.rss() < 2 ** 28;
    },
  };
}`;
