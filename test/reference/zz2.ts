import { compareShape } from "/work/wt/qwen25/test/reference/shapes/compare";
(async () => { for (const s of ["onetoken", "huge", "default"]) for (const c of await compareShape(`/tmp/q25-fuzz/${s}`, "/tmp/q25-fuzz/images")) console.log(c.difference <= c.tolerance! ? "ok" : "FAIL", s, c.what, c.difference, c.where); })();
