/**
 * Adds to a build what no compiler makes: the files of the demo, and the licences of the packages whose code is built in.
 *
 *   npm run build:demo
 */
import { fileURLToPath } from "node:url";
import { packDemo } from "./demo";
import { packLicences } from "./third-party";

const place = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

await packDemo(place("dist/demo"));
const packages = await packLicences(place("dist"), place("node_modules"));
console.log(`dist/demo has the demo, dist/THIRD-PARTY.md the licences of ${packages.join(", ") || "nothing"}`);
