import type { PageData } from "../elements/page-data";
import { startCurves } from "./curves";
import { startExplorer } from "./explorer";
import { startPictures } from "./pictures";
import { startThresholds } from "./thresholds";

/** The page without scripts is complete: this adds the list of all rollouts, and everything that moves. */
const data: PageData = JSON.parse(document.querySelector("#data")!.textContent!);
for (const part of document.querySelectorAll("main > section, nav li")) part.removeAttribute("hidden");
startPictures();
startThresholds(data);
startExplorer(data);
startCurves();
