import type { GenerateOptions } from "../../backend";
import type { generateSpec } from "../../engine/sampling/options";
import { ConfigError } from "../../errors";
import { nearest } from "../../options/did-you-mean";
import { shown } from "../../options/display";
import type { Settings } from "../../options/spec";

/** The fields of a request besides its messages, by their usual names; `top_k` and `repetition_penalty` are vLLM's. */
const fields = [
  "model",
  "temperature",
  "n",
  "seed",
  "max_tokens",
  "top_p",
  "top_k",
  "repetition_penalty",
  "stop",
  "logprobs",
] as const;

/** A field of a request that a server may not know. */
export type RequestField = (typeof fields)[number];

/** Differences between a server's requests and the usual ones. */
export interface BodyOptions {
  readonly omitFields: readonly RequestField[];
  readonly renameFields: Readonly<Partial<Record<RequestField, string>>>;
  readonly extraBody: Readonly<Record<string, unknown>>;
}

/**
 * A request's body: the fields that are set and not omitted, in the server's names, then the extra ones, which win.
 * @param nested fields that travel within `generation_config`
 */
export function requestBody(
  messages: readonly object[],
  values: Readonly<Partial<Record<RequestField, unknown>>>,
  { omitFields, renameFields, extraBody }: BodyOptions,
  nested: ReadonlySet<RequestField> = new Set(),
): object {
  const sent = fields.filter((field) => values[field] !== undefined && !omitFields.includes(field));
  const inside = sent.filter((field) => nested.has(field)).map((field) => [field, values[field]]);
  const config = { ...asAsked, do_sample: values.temperature !== 0, ...Object.fromEntries(inside) };
  return {
    messages,
    ...Object.fromEntries(
      sent.filter((field) => !nested.has(field)).map((field) => [renameFields[field] ?? field, values[field]]),
    ),
    ...(inside.length > 0 && { generation_config: JSON.stringify(config) }),
    ...extraBody,
  };
}

/** The settings of a request that sets none; the checkpoint's generation_config.json may have others. */
const asAsked = { top_k: 0, top_p: 1, repetition_penalty: 1 };

/**
 * The fields of a refused body that transformers serve takes within `generation_config`, a JSON text, and nowhere else.
 * @param words the server's reason
 */
export function fieldsToNest(body: object, words: string): readonly RequestField[] {
  if (!words.startsWith("Unexpected fields in the request") || "generation_config" in body) return [];
  return (["top_k", "repetition_penalty"] as const).filter((field) => field in body && words.includes(`'${field}'`));
}

/** The remedy for each refused field, except the model's and the messages'. */
export function waysOut({ omitFields, renameFields, extraBody }: BodyOptions): ReadonlyMap<string, string> {
  const sent = fields.filter((field) => field !== "model" && !omitFields.includes(field));
  const byName = new Map(
    sent.map((field) => [renameFields[field] ?? field, `leave the field out with omitFields: ["${field}"]`]),
  );
  if (byName.has("max_tokens")) byName.set("max_tokens", 'set maxTokensField: "max_completion_tokens"');
  for (const name of Object.keys(extraBody)) byName.set(name, `take "${name}" out of extraBody`);
  return byName;
}

/** Checked options of `generate`, without a default `topP`: some servers refuse the field. */
export type SentSampling = Omit<Settings<GenerateOptions, typeof generateSpec>, "topP"> & {
  readonly topP: number | undefined;
};

export const samplingFields = (
  { maxTokens, temperature, topP, topK, repetitionPenalty, stop }: SentSampling,
  logProbs: boolean,
): Partial<Record<RequestField, unknown>> => ({
  temperature,
  max_tokens: maxTokens,
  top_p: topP,
  top_k: topK,
  repetition_penalty: repetitionPenalty,
  stop: stop.length > 0 ? stop : undefined,
  logprobs: logProbs || undefined,
});

/** @throws ConfigError naming the unknown field, or the value that cannot be sent */
export function checkBodyOptions({ omitFields, renameFields, extraBody }: BodyOptions): void {
  const fail = (message: string): never => {
    throw new ConfigError(`openaiBackend: ${message}`);
  };
  for (const [option, names] of Object.entries({ omitFields, renameFields: Object.keys(renameFields) }))
    for (const field of names.filter((name) => !(fields as readonly unknown[]).includes(name))) {
      const near = nearest(String(field), fields);
      const ending = near === undefined ? `expected one of ${fields.join(", ")}` : `did you mean "${near}"?`;
      fail(`${option}: unknown field ${shown(field)}; ${ending}`);
    }
  const targets = Object.values(renameFields);
  const bad = targets.find((name) => typeof name !== "string" || name === "" || name === "messages");
  if (bad !== undefined || new Set(targets).size < targets.length)
    fail(`renameFields: expected a different name for each field, got ${shown(renameFields)}`);
  for (const field of ["messages", "stream"])
    if (Object.hasOwn(extraBody, field)) fail(`extraBody: expected fields other than "${field}", which is always ours`);
}
