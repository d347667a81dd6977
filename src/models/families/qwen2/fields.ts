import type * as z from "zod";
import { orDefault } from "../../files/fields";

/** One value of a configuration, under its key in config.json. */
export interface Field<T> {
  readonly key: string;
  readonly range: z.ZodType<T>;
  /** The default of the family's class in transformers. */
  readonly otherwise: T;
}

/** The values of a network's shape, by the library's names. */
export type Fields = Readonly<Record<string, Field<unknown>>>;

export type ValuesOf<F extends Fields> = {
  readonly [Name in keyof F]: F[Name] extends Field<infer T> ? T : never;
};

export const field = <T>(key: string, range: z.ZodType<T>, otherwise: T): Field<T> => ({ key, range, otherwise });

/** A schema for each key. */
export const schemasOf = (fields: Fields): z.ZodRawShape =>
  Object.fromEntries(Object.values(fields).map(({ key, range, otherwise }) => [key, orDefault(range, otherwise)]));

/** The values that a file holds. */
export const valuesOf = <F extends Fields>(fields: F, stored: Readonly<Record<string, unknown>>): ValuesOf<F> =>
  Object.fromEntries(Object.entries(fields).map(([name, { key }]) => [name, stored[key]])) as ValuesOf<F>;

/** Values as a file holds them. */
export const storedOf = <F extends Fields>(fields: F, values: ValuesOf<F>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, { key }]) => [key, values[name]]));
