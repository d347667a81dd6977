import { mkdtemp } from "node:fs/promises";
import { createPython } from "/work/wt/qwen25/test/reference/python";
import { compareScores } from "/work/wt/qwen25/test/reference/interop/compare";
(async () => {
const scratch = await mkdtemp("/tmp/q25-int-");
const python = await createPython("/work/wt/qwen25/test/reference/requirements.txt", "/tmp/none");
for (const { what, difference, where } of await compareScores(python, scratch)) console.log(what, difference, where);
})();
