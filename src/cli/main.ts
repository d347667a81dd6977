#!/usr/bin/env node
import { runCommand } from "./program";

// The reader may stop early: rise-ts doctor | head -5.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

runCommand(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
