/** A program that starts workers, whichever device PyTorch sees, says so, and waits to be killed. */
import { torchTrainer } from "../../../src/trainers/torch";
import { checkpointDir } from "../../models/reference";

await torchTrainer({ model: checkpointDir, processes: 2, lora: { rank: 2 } });
console.log("ready");
setInterval(() => {}, 1000);
