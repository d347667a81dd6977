/**
 * Adds to a build what no compiler makes: the files of the demo, and the licences of the packages that are built in.
 *
 *   npx tsx pack/main.ts
 */
import { fileURLToPath } from "node:url";
import { packDemo } from "./demo";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
await packDemo(`${dist}/demo`);
