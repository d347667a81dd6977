export { htmlReport, type ReportedRecord, type ReportedRun, type ReportOptions, type ReportTable } from "./html-report";
export { linePlot, type Point } from "./plots";
export { createProgress } from "./progress";
