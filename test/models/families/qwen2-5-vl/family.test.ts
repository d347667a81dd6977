import { describeContracts, describeParity } from "../recorded-family";

describeParity("qwen2-5-vl", "tied", { parameters: 80, matrices: 76 });
describeParity("qwen2-5-vl", "untied", { parameters: 69, matrices: 62 });
await describeContracts("qwen2-5-vl", "tied");
