export { cpuTime } from "../src/testing/laws/cpu-time";
