import { ConfigError } from "../../errors";
import { shown } from "../../options/display";
import type { Task } from "../../task";

/** @throws ConfigError for a path that is no text */
export function checkPath(name: string, path: string): void {
  if (typeof path !== "string") throw new ConfigError(`expected ${name} to be text, got ${shown(path)}`);
}

/** @throws ConfigError for what is no task */
export function checkTask<A>(name: string, task: Task<A>): void {
  if (typeof task?.validate !== "function")
    throw new ConfigError(
      `expected ${name} to be a task, such as detection(), which decides what an annotation is; got ${shown(task)}`,
    );
}
