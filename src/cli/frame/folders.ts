import { join } from "node:path";

/** The folders of a config's `runDir`. */
export const foldersIn = (runDir: string) => ({
  cot: join(runDir, "cot"),
  r1: join(runDir, "r1"),
  evaluation: join(runDir, "evaluation"),
  evaluationBase: join(runDir, "evaluation-base"),
  audit: join(runDir, "audit"),
  auditBase: join(runDir, "audit-base"),
  report: join(runDir, "report.html"),
});
