import { fileURLToPath } from "node:url";
import type { Environment } from "./leg";

/** The packages of `transformers serve` and of TRL. */
export const servedEnvironment: Environment = {
  variable: "RISE_PYTHON_SERVED",
  requirements: fileURLToPath(new URL("requirements-served.txt", import.meta.url)),
  folder: ".venv-engines-served",
};
