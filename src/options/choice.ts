import { ConfigError } from "../errors";
import { shown } from "./display";

/** @throws ConfigError naming a setting that is none of its values */
export function checkChoice(name: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value))
    throw new ConfigError(`expected ${name} to be one of ${choices.join(", ")}; got ${shown(value)}`);
}
