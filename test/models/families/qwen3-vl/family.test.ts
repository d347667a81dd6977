import { describeContracts, describeParity } from "../recorded-family";

describeParity("qwen3-vl", "tied", { parameters: 92, matrices: 78 });
describeParity("qwen3-vl", "untied", { parameters: 82, matrices: 64 });
await describeContracts("qwen3-vl", "tied");
