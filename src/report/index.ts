export { linePlot, type Point } from "./elements/plots";
export { htmlReport, type ReportedRecord, type ReportedRun, type ReportOptions, type ReportTable } from "./html-report";
export { createProgress } from "./progress";
