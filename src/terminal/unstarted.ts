import { say } from "./log";

/** Runs that were made and not started, by their functions' names. */
const unstarted = new Set<{ readonly name: string }>();
let isWatching = false;

/**
 * Notes that a run was made; if the process ends well without having started it, a warning says so.
 * @param name the function that made it
 * @returns a function that notes its start
 */
export function noteUnstarted(name: string): () => void {
  const run = { name };
  unstarted.add(run);
  if (!isWatching) process.on("exit", warn);
  isWatching = true;
  return () => unstarted.delete(run);
}

function warn(code: number): void {
  // An error that ended the program explains a run that did not start.
  if (code !== 0) return;
  for (const name of new Set([...unstarted].map((run) => run.name)))
    say(
      name,
      undefined,
      `the run was never started, so nothing was done: write await ${name}(…), or iterate it with for await`,
    );
}
