import * as z from "zod";
import { DataError } from "../errors";
import { listed } from "../options/display";
import { schemaWords } from "../options/schema-words";
import type { Reward } from "../rollouts";
import { completionIn } from "./openrlhf-query";

/** The writings to judge: an answer of stage 2, or a cot and its reconstruction of stage 1. */
export type Item =
  | { readonly id: string; readonly text: string }
  | { readonly id: string; readonly cot: string; readonly reconstruction: string };

/** A trainer's request, and its answer in the form that this trainer reads. */
export interface Call {
  readonly items: readonly Item[];
  answer(rewards: readonly Reward[]): unknown;
}

/**
 * Reads the arguments that a trainer passes to its reward function, as JSON. The trainers are told apart by the field
 * that holds the completions.
 * @throws DataError saying what was expected, and what came
 */
export function readCall(body: unknown): Call {
  const fields = Object.keys(Object(body));
  // In this order, because TRL also passes the data set's columns, whose names may be another trainer's fields.
  const form = (Object.keys(forms) as (keyof typeof forms)[]).find((field) => fields.includes(field));
  if (form === undefined)
    throw new DataError(
      `expected an object with one of ${Object.keys(forms).join(", ")}, got ${fields.length > 0 ? listed(fields) : "another value"}`,
    );
  return forms[form](body);
}

const idOf = z.union([z.string().min(1), z.int().transform(String)]);
const ids = z.array(idOf).min(1);
const texts = z.array(z.string());
const extraInfo = z.looseObject({ id: idOf });

/** Text, or messages as TRL passes them for conversations. */
const messageText = z.union([z.string(), z.array(z.looseObject({ text: z.string().default("") }))]);
const completion = z
  .union([z.string(), z.array(z.looseObject({ content: messageText }))])
  .transform((value) =>
    typeof value === "string"
      ? value
      : value
          .map(({ content }) => (typeof content === "string" ? content : content.map(({ text }) => text).join("")))
          .join(""),
  );

const forms = {
  // TRL 1.16 and ms-swift 4.6 pass completions, and the data set's columns as lists of the same length.
  completions: form(z.looseObject({ completions: z.array(completion), id: ids }), ({ completions, id }) => ({
    items: zip(id, completions).map(([id, text]) => ({ id, text })),
    answer: (rewards) => ({ rewards: rewards.map(({ reward }) => reward) }),
  })),

  // Stage 1: the cots of a group, and the reconstructions that were sampled for the prompts of /reconstruct.
  reconstructions: form(
    z.looseObject({ reconstructions: z.array(completion), cots: z.array(completion), id: ids }),
    ({ reconstructions, cots, id }) => ({
      items: zip(id, zip(cots, reconstructions)).map(([id, [cot, reconstruction]]) => ({ id, cot, reconstruction })),
      answer: (rewards) => ({ rewards: rewards.map(({ reward }) => reward) }),
    }),
  ),

  // OpenRLHF 0.11, --reward.remote_url: the query is prompt and completion; the labels hold ids (--data.label_key id).
  query: form(z.looseObject({ query: texts, prompts: texts, labels: ids }), ({ query, prompts, labels }) => ({
    items: zip(labels, zip(query, prompts)).map(([id, [text, prompt]]) => ({ id, text: completionIn(text, prompt) })),
    answer: (rewards) => {
      const values = rewards.map(({ reward }) => reward);
      return { rewards: values, scores: values, extra_logs: columns(rewards) };
    },
  })),

  // verl 0.9, custom_reward_function: one completion a call, whose extra_info holds the id.
  solution_str: form(z.looseObject({ solution_str: z.string(), extra_info: extraInfo }), (body) => ({
    items: [{ id: body.extra_info.id, text: body.solution_str }],
    answer: ([reward]) => ({ score: reward!.reward, ...parts(reward!) }),
  })),

  // verl's reward manager "batch".
  solution_strs: form(z.looseObject({ solution_strs: texts, extra_infos: z.array(extraInfo).min(1) }), (body) => ({
    items: zip(body.extra_infos, body.solution_strs).map(([{ id }, text]) => ({ id, text })),
    answer: (rewards) => rewards.map((reward) => ({ score: reward.reward, ...parts(reward) })),
  })),
};

const reconstructCall = form(z.looseObject({ cots: z.array(completion), id: ids }), ({ cots, id }) => zip(id, cots));

/** Reads a request for the prompts of reconstructions. @throws DataError */
export const readCots = (body: unknown): readonly (readonly [id: string, cot: string])[] => reconstructCall(body);

function form<S extends z.ZodType, R = Call>(schema: S, read: (body: z.output<S>) => R): (body: unknown) => R {
  return (body) => {
    const { data, error } = schema.safeParse(body, { error: schemaWords });
    if (error) throw new DataError(error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
    return read(data as z.output<S>);
  };
}

/** @throws DataError when one list is longer */
function zip<A, B>(ids: readonly A[], values: readonly B[]): (readonly [A, B])[] {
  if (ids.length !== values.length)
    throw new DataError(`expected lists of the same length, got ${ids.length} and ${values.length}`);
  return ids.map((id, i) => [id, values[i]!] as const);
}

/** The parts of a reward as numbers, which trainers log. */
const parts = ({ similarity, format, leaks }: Reward) => ({
  similarity,
  format: Number(format.ok),
  leaks: leaks.length,
});

const columns = (rewards: readonly Reward[]) => {
  const rows = rewards.map(parts);
  return {
    similarity: rows.map(({ similarity }) => similarity),
    format: rows.map(({ format }) => format),
    leaks: rows.map(({ leaks }) => leaks),
  };
};
