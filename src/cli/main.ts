#!/usr/bin/env node
import { refusal } from "../files/refusals";
import { exitCodes } from "./frame/exit-codes";
import { runCommand } from "./program";

// The reader may stop early: rise-ts doctor | head -5.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") return;
  console.error(`rise-ts: expected an output that can be written to, got ${refusal(error)}`);
  process.exit(exitCodes.failed);
});

runCommand(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
