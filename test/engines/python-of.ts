import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pythonWith } from "../reference/python";
import type { Environment } from "./leg";

/** The path of an environment's Python. A missing environment is made. */
export async function pythonOf({ variable, requirements, folder }: Environment): Promise<string> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  return process.env[variable] ?? (await pythonWith(requirements, join(root, folder)));
}
