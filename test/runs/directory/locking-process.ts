/**
 * Locks a directory, says so, and keeps it for as long as its stdin is open; or says why it cannot.
 *
 *   tsx locking-process.ts DIRECTORY BEAT_MS
 */
import { lockRun } from "../../../src/runs/directory/lock";

const [directory, beatMs] = process.argv.slice(2);
try {
  const lock = await lockRun(directory!, Number(beatMs));
  console.log("locked");
  for await (const line of process.stdin) {
    // Everything that is asked for, in one go.
    if (String(line).includes("check"))
      await lock.check().then(
        () => console.log("mine"),
        (error) => console.log(String(error)),
      );
  }
  await lock.release();
} catch (error) {
  console.log(String(error));
}
